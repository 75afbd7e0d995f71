#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// SwiGLU gate: silu(gate) * up.
///   gate, up  [..., ffn]  same shape and float dtype
///   returns   [..., ffn]
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// Plain reference of swiglu made of ATen calls, for other devices and tests.
at::Tensor swiglu_composite(const at::Tensor& gate, const at::Tensor& up);

}  // namespace ingot::ops
