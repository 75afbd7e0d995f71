#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// Scales each vector to unit mean square, then by `weight`: w * x / sqrt(mean(x^2) + eps). Statistics in fp32; in
/// bf16 the normalised value is rounded to bf16 before the weight multiplies it, as Llama does.
///   x        [..., hidden]
///   weight   [hidden]
///   returns  [..., hidden]  dtype of x
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// Plain reference of rms_norm made of ATen calls, for other devices and tests.
at::Tensor rms_norm_composite(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace ingot::ops
