#pragma once

namespace ingot::ops::table {

// One a file, baseline.cpp ...: put their loops into the table. Those of sets that the architecture lacks put nothing. Exact ones are
// compiled without fused multiply-add, which the baseline lacks, and give the same bits with every set.
void add_baseline_kernels();
void add_baseline_exact_kernels();
void add_avx2_kernels();
void add_avx2_exact_kernels();
void add_avx512_kernels();
void add_avx512_exact_kernels();
void add_avx512_bf16_kernels();  // products of bfloat16 blocks, which LibTorch passes on to AVX-512 BF16 or AMX

}  // namespace ingot::ops::table
