#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"
#include "ops/linear.h"
#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

constexpr double kScale = 1.5, kDropout = 0.25;

/// x, two weights, two biases, a and b for the first map.
Tensors inputs(at::ScalarType dtype) {
  at::manual_seed(6);
  return {at::randn({2, 4, 6}, dtype), at::randn({5, 6}, dtype), at::randn({3, 6}, dtype), at::randn({5}, dtype),
          at::randn({3}, dtype),       at::randn({2, 6}, dtype), at::randn({5, 2}, dtype)};
}

LowRank adapter(const Tensors& in) { return {in[5], in[6], kScale, {kDropout, 9}}; }
at::Tensor joined(const at::Tensor& first, const at::Tensor& second) { return first.narrow(-1, 0, 3) + second; }
at::Tensor keys() { return at::arange(8, at::kLong).view({2, 4}) * 77 + 5; }

Operation fused(const RowKeys& row_keys) {
  return [=](const Tensors& in) {
    const auto outs = adapted_linears(in[0], {in[1], in[2]}, {in[3], in[4]}, {adapter(in), {}}, row_keys);
    return joined(outs[0], outs[1]);
  };
}

Operation composite(const RowKeys& row_keys, double scale = kScale) {
  return [=](const Tensors& in) {
    LowRank rule = adapter(in);
    rule.scale = scale;
    return joined(adapted_linear_composite(in[0], in[1], in[3], rule, row_keys), at::linear(in[0], in[2], in[4]));
  };
}

TEST(AdaptedLinears, EqualTheComposite) {
  expect_equal_operations(fused({}), composite({}), inputs(at::kFloat), 1e-6);
  expect_equal_operations(fused({}), composite({}), inputs(at::kBFloat16), 0.03);
}

TEST(AdaptedLinears, EqualTheCompositeWithDropout) {
  expect_equal_operations(fused(keys()), composite(keys()), inputs(at::kFloat), 1e-6);
}

TEST(AdaptedLinears, DifferFromACompositeOfAnotherScale) {
  const auto in = inputs(at::kFloat);
  EXPECT_GT(relative_error(evaluate(fused({}), in).output, evaluate(composite({}, kScale / 2), in).output), 1e-2);
}

TEST(AdaptedLinears, GradientsMatchFiniteDifferences) { expect_gradients_match(fused(keys()), inputs(at::kDouble)); }

TEST(AdaptedLinears, MakeNoGradientsForFrozenWeights) {
  auto in = inputs(at::kFloat);
  in[5].set_requires_grad(true), in[6].set_requires_grad(true);
  fused(keys())(in).sum().backward();
  for (size_t i = 0; i < 5; ++i) EXPECT_FALSE(in[i].grad().defined()) << "input " << i;
  EXPECT_TRUE(in[5].grad().defined() && in[6].grad().defined());
}

TEST(AdaptedLinears, GiveTheSameGradientsFromARemadeInput) {
  const auto in = inputs(at::kFloat);
  const auto with = [&](bool remade) {
    return evaluate([&](const Tensors& factors) {
      const auto x = in[0].sin();
      Remake remake;
      if (remade) remake = [from = in[0]] { return from.sin(); };
      return adapted_linears(x, {in[1]}, {}, {{factors[0], factors[1], kScale, {kDropout, 9}}}, keys(), remake)[0];
    }, {in[5], in[6]});
  };
  const auto kept = with(false), made = with(true);
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(at::equal(kept.gradients[i], made.gradients[i]));
}

TEST(AdaptedLinears, RejectAnAdapterOfAnotherSize) {
  const LowRank wrong{at::ones({2, 5}), at::ones({5, 2}), 1, {}};
  EXPECT_THROW(adapted_linears(at::ones({2, 6}), {at::ones({5, 6})}, {}, {wrong}, {}), c10::Error);
}

TEST(FrozenLinears, KeepNoInput) {
  auto x = at::ones({3, 4}).set_requires_grad(true);
  auto hidden = x.sin();
  const c10::weak_intrusive_ptr<c10::TensorImpl> watch(hidden.getIntrusivePtr());
  const auto out = ops::linear(hidden, at::ones({2, 4}), {});
  hidden.reset();
  EXPECT_TRUE(watch.expired());
  out.sum().backward();
  EXPECT_TRUE(x.grad().defined());
}

TEST(KeyedDropout, KeepsTheMeanAndDropsTheShare) {
  const auto x = at::ones({512, 515}), row_keys = at::arange(512, at::kLong);
  for (const double probability : {0.05, 0.5}) {
    const auto out = keyed_dropout(x, row_keys, {probability, 3});
    const double n = static_cast<double>(x.numel()), spread = 5 * std::sqrt(probability / (1 - probability) / n);
    EXPECT_NEAR(out.mean().item<double>(), 1, spread);
    EXPECT_NEAR(out.eq(0).to(at::kDouble).mean().item<double>(), probability, 5 * std::sqrt(probability / n));
  }
}

TEST(KeyedDropout, DependsOnKeyStreamAndColumnAlone) {
  at::manual_seed(1);
  const auto x = at::randn({6, 40}), row_keys = at::arange(6, at::kLong) + 100;
  const auto whole = keyed_dropout(x, row_keys, {0.5, 3});
  EXPECT_TRUE(at::equal(whole.narrow(0, 2, 3), keyed_dropout(x.narrow(0, 2, 3), row_keys.narrow(0, 2, 3), {0.5, 3})));
  EXPECT_FALSE(at::equal(whole, keyed_dropout(x, row_keys + 1, {0.5, 3})));
  EXPECT_FALSE(at::equal(whole, keyed_dropout(x, row_keys, {0.5, 4})));
}

TEST(KeyedDropout, IsTheSameOnAnyThreadsAndInAnyDtype) {
  const auto drop = [](const Tensors& in) { return keyed_dropout(in[0], at::arange(in[0].size(0), at::kLong), {0.3, 1}); };
  const auto x = at::ones({300, 300});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = drop({x});
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(one, drop({x})));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.eq(0), drop({x.to(at::kBFloat16)}).eq(0)));
  EXPECT_TRUE(at::equal(one.eq(0), drop({x.to(at::kDouble)}).eq(0)));
}

}  // namespace
}  // namespace ingot::ops
