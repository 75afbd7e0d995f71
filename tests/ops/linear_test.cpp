#include "ops/linear.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

/// Inputs x, two weights, two biases; the sum of both outputs' first three columns.
at::Tensor side_by_side(const std::vector<at::Tensor>& outs) { return outs[0].narrow(-1, 0, 3) + outs[1].narrow(-1, 0, 3); }
at::Tensor grouped(const Tensors& in) { return side_by_side(linears(in[0], {in[1], in[2]}, {in[3], in[4]})); }
at::Tensor separate(const Tensors& in) {
  return side_by_side({at::linear(in[0], in[1], in[3]), at::linear(in[0], in[2], in[4])});
}
Tensors linear_inputs(at::ScalarType dtype) {
  at::manual_seed(5);
  return {at::randn({2, 4, 6}, dtype), at::randn({5, 6}, dtype), at::randn({3, 6}, dtype), at::randn({5}, dtype),
          at::randn({3}, dtype)};
}

TEST(Linears, EqualSeparateLinearLayers) { expect_equal_operations(grouped, separate, linear_inputs(at::kFloat), 1e-6); }

TEST(Linears, GradientsMatchFiniteDifferences) { expect_gradients_match(grouped, linear_inputs(at::kDouble)); }

TEST(Linears, GiveTheSameGradientsFromARemadeInput) {
  const auto kept = [](const Tensors& in) { return ops::linear(in[0].sin(), in[1], {}); };
  const auto remade = [](const Tensors& in) {
    return ops::linear(in[0].sin(), in[1], {}, [x = in[0].detach()] { return x.sin(); });
  };
  const auto in = linear_inputs(at::kFloat);
  const auto a = evaluate(kept, {in[0], in[1]}), b = evaluate(remade, {in[0], in[1]});
  EXPECT_TRUE(at::equal(a.gradients[0], b.gradients[0]));
  EXPECT_TRUE(at::equal(a.gradients[1], b.gradients[1]));
}

TEST(Linears, LetGoOfARemadeInputThatIsNotKept) {
  auto in = linear_inputs(at::kFloat);
  auto hidden = in[0].sin();
  const c10::weak_intrusive_ptr<c10::TensorImpl> watch(hidden.getIntrusivePtr());
  const auto out = ops::linear(hidden, in[1].set_requires_grad(true), {}, [x = in[0]] { return x.sin(); });
  hidden.reset();
  EXPECT_TRUE(watch.expired());
  out.sum().backward();
  EXPECT_TRUE(in[1].grad().defined());
}

TEST(Linears, MakeNoGradientForFrozenWeights) {
  const auto in = linear_inputs(at::kFloat);
  const auto x = in[0].clone().set_requires_grad(true), weight = in[1];
  ops::linear(x, weight, {}).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
}

TEST(Linears, RejectAWeightOfAnotherInputSize) {
  EXPECT_THROW(ops::linear(at::ones({2, 4}), at::ones({3, 5}), {}), c10::Error);
}

}  // namespace
}  // namespace ingot::ops
