#include "ops/fused.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ingot::ops {

bool has_fused_kernel(std::initializer_list<at::Tensor> tensors) {
  const auto dtype = tensors.begin()->scalar_type();
  return (dtype == at::kFloat || dtype == at::kBFloat16) &&
         std::all_of(tensors.begin(), tensors.end(),
                     [&](const at::Tensor& t) { return t.device().is_cpu() && t.scalar_type() == dtype; });
}

}  // namespace ingot::ops
