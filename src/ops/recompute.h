#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace ingot::ops {

/// A function of one tensor with one or more outputs.
using Computation = std::function<std::vector<at::Tensor>(const at::Tensor& x)>;

/// function(x), of which only x is kept: the backward pass runs the function again. It must give the same results both
/// times, and must outlive the graph. Gradients reach x and `parameters`, the tensors that the function reads besides.
std::vector<at::Tensor> recomputed(const Computation& function, const at::Tensor& x,
                                   const std::vector<at::Tensor>& parameters);

}  // namespace ingot::ops
