#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// Rotates pairs (x[i], x[i + rotary/2]) of each head by position * inv_freq[i] (the "half" or "neox" pairing of
/// Hugging Face weights). Dims past `rotary` pass through.
///   x        [batch, seq, heads, head_dim]
///   cos,sin  [batch or 1, seq, rotary/2]  float32
///   returns  like x
at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

/// Plain reference of rotary made of ATen calls, for other devices and tests.
at::Tensor rotary_composite(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace ingot::ops
