#include "ops/op_checks.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace ingot::ops {
namespace {

/// Fixed numbers of the shape in [-1, 1].
at::Tensor fixed_weights(const at::Tensor& like) {
  return at::sin(at::arange(like.numel(), like.options()).add_(1)).view(like.sizes());
}

Tensors converted(const Tensors& inputs, at::ScalarType dtype) {
  Tensors out;
  for (const auto& input : inputs) out.push_back(input.to(dtype));
  return out;
}

double weighted_sum(const Operation& operation, const Tensors& inputs) {
  const auto output = operation(inputs);
  return (output * fixed_weights(output)).sum().item<double>();
}

void expect_bit_equal(const Evaluation& a, const Evaluation& b) {
  EXPECT_TRUE(at::equal(a.output, b.output));
  for (size_t i = 0; i < a.gradients.size(); ++i)
    EXPECT_TRUE(at::equal(a.gradients[i], b.gradients[i])) << "input " << i;
}

}  // namespace

Evaluation evaluate(const Operation& operation, const Tensors& inputs) {
  Tensors leaves;
  for (const auto& input : inputs) leaves.push_back(input.detach().clone().set_requires_grad(true));
  const auto output = operation(leaves);
  const auto wide = output.to(output.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  (wide * fixed_weights(wide)).sum().backward();
  Evaluation found{output.detach(), {}};
  for (const auto& leaf : leaves) found.gradients.push_back(leaf.grad());
  return found;
}

double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const auto wide_a = a.to(at::kDouble), wide_b = b.to(at::kDouble);
  return ((wide_a - wide_b).abs().max() / wide_b.abs().max().clamp_min(1e-30)).item<double>();
}

void expect_equal_operations(const Operation& fused, const Operation& reference, const Tensors& inputs,
                             double tolerance) {
  const auto found = evaluate(fused, inputs), wanted = evaluate(reference, converted(inputs, at::kDouble));
  EXPECT_EQ(found.output.sizes(), wanted.output.sizes());
  EXPECT_LE(relative_error(found.output, wanted.output), tolerance);
  for (size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LE(relative_error(found.gradients[i], wanted.gradients[i]), tolerance) << "gradient of input " << i;
}

void expect_gradients_match(const Operation& operation, const Tensors& inputs) {
  constexpr double kStep = 1e-5;
  const auto found = evaluate(operation, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (int64_t element = 0; element < inputs[i].numel(); ++element) {
      Tensors moved = inputs;
      moved[i] = inputs[i].clone();
      moved[i].view(-1)[element] += kStep;
      const double above = weighted_sum(operation, moved);
      moved[i].view(-1)[element] -= 2 * kStep;
      const double slope = (above - weighted_sum(operation, moved)) / (2 * kStep);
      const double gradient = found.gradients[i].reshape(-1)[element].item<double>();
      EXPECT_NEAR(gradient, slope, 1e-6) << "input " << i << " element " << element;
    }
  }
}

void expect_same_on_any_threads(const Operation& operation, const Tensors& inputs) {
  const int threads = at::get_num_threads();
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    at::set_num_threads(1);
    const auto one = evaluate(operation, converted(inputs, dtype));
    at::set_num_threads(2);
    const auto two = evaluate(operation, converted(inputs, dtype));
    expect_bit_equal(one, two);
  }
  at::set_num_threads(threads);
}

}  // namespace ingot::ops
