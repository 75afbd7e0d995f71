#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace ingot::ops {

/// Makes a tensor of the forward pass again in the backward pass, so that it need not be kept in between.
using Remake = std::function<at::Tensor()>;

/// Several linear maps of one input, out[j] = x * weights[j]ᵀ + biases[j], as one step of the graph: the gradient of x
/// is summed inside the matrix products. Keeps x for the backward pass, or `remake` instead when it is given; its
/// result must equal x bit for bit.
///   x            [..., in]
///   weights[j]   [out_j, in]
///   biases[j]    [out_j]; all of them or none
///   returns [j]  [..., out_j]
std::vector<at::Tensor> linears(const at::Tensor& x, const std::vector<at::Tensor>& weights,
                                const std::vector<at::Tensor>& biases, const Remake& remake = {});

/// One linear map; `bias` may be undefined.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Remake& remake = {});

}  // namespace ingot::ops
