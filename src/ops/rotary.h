#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// Which dims of a head are rotated together: i and i + rotary/2 ("half" or "neox", most Hugging Face weights), or
/// 2i and 2i + 1 ("interleaved", GLM).
enum class RotaryPairs { kHalves, kNeighbours };

/// Rotates pair i of each head by position * inv_freq[i]. Dims past `rotary` pass through.
///   x        [batch, seq, heads, head_dim]
///   cos,sin  [batch or 1, seq, rotary/2]  float32
///   returns  like x
at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                  RotaryPairs pairs = RotaryPairs::kHalves);

/// Plain reference of rotary made of ATen calls, for other devices and tests.
at::Tensor rotary_composite(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                            RotaryPairs pairs = RotaryPairs::kHalves);

}  // namespace ingot::ops
