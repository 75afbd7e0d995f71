#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace ingot::ops {

/// function(x), of which only x is kept: the backward pass runs the function again. It must give the same result both
/// times, and must outlive the graph. Gradients reach x and `parameters`, the tensors that the function reads besides.
at::Tensor recomputed(const std::function<at::Tensor(const at::Tensor&)>& function, const at::Tensor& x,
                      const std::vector<at::Tensor>& parameters);

}  // namespace ingot::ops
