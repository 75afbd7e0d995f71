#include "ops/dispatch.h"
#include "ops/kernels/avx512.h"
#include "ops/kernels/block_attention.h"
#include "ops/kernels/sets.h"
#include "ops/kernels/wide_product.h"

namespace ingot::ops::table {

#ifdef __x86_64__
namespace {

/// The loops around the products are those of AVX-512.
struct Avx512Bf16 : Avx512 {
  static constexpr Isa kIsa = Isa::kAvx512Bf16;
};

}  // namespace

void add_avx512_bf16_kernels() { add_each<Avx512Bf16, BlockAttentionHead, SumGroup, PairRows, TransposeColumns>(); }
#else
void add_avx512_bf16_kernels() {}
#endif

}  // namespace ingot::ops::table
