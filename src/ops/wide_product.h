#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// sum += aᵀ * b, summed in float32 whatever the type of a and b, and not rounded in between: for gradients that are put together from
/// products of many chunks of rows. Does not depend on the number of threads where a and b are bfloat16.
///   sum  [m, n]  float32, contiguous
///   a    [k, m]  float32 or bfloat16, contiguous, on the CPU
///   b    [k, n]  the same
void add_wide_product(at::Tensor& sum, const at::Tensor& a, const at::Tensor& b);

/// The same made of ATen calls on widened copies, some columns of a at a time; for CPUs without block products, and for tests.
void add_wide_product_composite(at::Tensor& sum, const at::Tensor& a, const at::Tensor& b);

}  // namespace ingot::ops
