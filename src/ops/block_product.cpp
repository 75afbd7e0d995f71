#include "ops/block_product.h"

#include <ATen/native/CPUBlas.h>

namespace ingot::ops {

void multiply(const BlockProduct& size, const c10::BFloat16* a, const c10::BFloat16* b, float* c) {
  at::native::cpublas::brgemm(size.m, size.n, size.k, size.a_stride, size.b_stride, size.c_stride, size.add, a, b, c);
}

void release_block_products() { at::native::cpublas::brgemm_release(); }

}  // namespace ingot::ops
