#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/BFloat16.h>

#include <initializer_list>

namespace ingot::ops {

/// True when the fused CPU kernels serve these tensors: all on the CPU, all float32 or all bfloat16.
bool has_fused_kernel(std::initializer_list<at::Tensor> tensors);

/// Calls visit(float{}) or visit(c10::BFloat16{}) by the tensor's dtype, one of these two.
template <class Visit>
auto visit_dtype(const at::Tensor& tensor, const Visit& visit) {
  return tensor.scalar_type() == at::kFloat ? visit(float{}) : visit(c10::BFloat16{});
}

}  // namespace ingot::ops
