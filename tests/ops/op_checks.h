#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace ingot::ops {

using Tensors = std::vector<at::Tensor>;
using Operation = std::function<at::Tensor(const Tensors&)>;

/// The output of an operation and the gradients of sum(output * weights) for fixed weights, by input.
struct Evaluation {
  at::Tensor output;
  Tensors gradients;
};
Evaluation evaluate(const Operation& operation, const Tensors& inputs);

/// Largest |a - b| over the largest |b|.
double relative_error(const at::Tensor& a, const at::Tensor& b);

/// Expects output and every gradient of `fused`, in the type of the inputs, within `tolerance` (relative_error) of `reference`'s in
/// double, whose own gradients expect_gradients_match compares with differences.
void expect_equal_operations(const Operation& fused, const Operation& reference, const Tensors& inputs,
                             double tolerance);

/// Expects the gradients in double to equal central differences within 1e-6.
void expect_gradients_match(const Operation& operation, const Tensors& inputs);

/// Expects output and gradients of float32 and bfloat16 inputs bit-equal on one thread and on several.
void expect_same_on_any_threads(const Operation& operation, const Tensors& inputs);

}  // namespace ingot::ops
