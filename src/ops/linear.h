#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "ops/keyed_dropout.h"

namespace ingot::ops {

/// Makes a tensor of the forward pass again in the backward pass, so that it need not be kept in between.
using Remake = std::function<at::Tensor()>;

/// What is added to a linear map: scale * (dropout(x) * aᵀ) * bᵀ. Source: Hu et al. 2021.
///   a  [rank, in], b  [out, rank]; both undefined when nothing is added
struct LowRank {
  at::Tensor a, b;
  double scale = 1;
  DropoutRule dropout;
  bool defined() const { return a.defined(); }
};

/// One number for each row of x that its dropped elements depend on, [rows of x] int64; undefined: nothing is dropped.
using RowKeys = at::Tensor;

/// Several linear maps of one input, out[j] = x * weights[j]ᵀ + biases[j], as one step of the graph: the gradient of x
/// is summed inside the matrix products. Keeps x for the backward pass where a gradient needs it, or `remake` instead
/// when it is given; its result must equal x bit for bit. A frozen weight gets no gradient.
///   x            [..., in]
///   weights[j]   [out_j, in]
///   biases[j]    [out_j]; all of them or none
///   returns [j]  [..., out_j]
std::vector<at::Tensor> linears(const at::Tensor& x, const std::vector<at::Tensor>& weights,
                                const std::vector<at::Tensor>& biases, const Remake& remake = {});

/// The same with adapters[j] added to out[j].
std::vector<at::Tensor> adapted_linears(const at::Tensor& x, const std::vector<at::Tensor>& weights,
                                        const std::vector<at::Tensor>& biases, const std::vector<LowRank>& adapters,
                                        const RowKeys& keys, const Remake& remake = {});

/// Plain reference of adapted_linears for one map, made of ATen calls.
at::Tensor adapted_linear_composite(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                    const LowRank& adapter, const RowKeys& keys);

/// One linear map; `bias` may be undefined.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Remake& remake = {});

}  // namespace ingot::ops
