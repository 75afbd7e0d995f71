#include "ops/linear_cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

Operation with_labels(const at::Tensor& labels, decltype(linear_cross_entropy)* function) {
  return [labels, function](const Tensors& in) { return function(in[0], in[1], labels, {}); };
}

at::Tensor random_labels(int64_t tokens, int64_t vocab) {
  auto labels = at::randint(0, vocab, {tokens});
  return labels.masked_fill(at::rand({tokens}) < 0.3, -100);
}

TEST(LinearCrossEntropy, EqualsItsCompositeOnRandomShapes) {
  at::manual_seed(1);
  for (const int64_t tokens : {1, 5, 90}) {
    const int64_t vocab = at::randint(2, 9000, {1}).item<int64_t>();
    const auto hidden = at::randn({tokens, 24}), weight = at::randn({vocab, 24});
    auto labels = random_labels(tokens, vocab);
    labels[0] = vocab - 1;
    const auto fused = with_labels(labels, linear_cross_entropy);
    const auto composite = with_labels(labels, linear_cross_entropy_composite);
    expect_equal_operations(fused, composite, {hidden, weight}, 5e-6);
    expect_equal_operations(fused, composite, {hidden.to(at::kBFloat16), weight.to(at::kBFloat16)}, 0.03);
  }
}

TEST(LinearCrossEntropy, SumsOverManyChunks) {
  at::manual_seed(2);
  const int64_t tokens = 1800, vocab = 40000;  // three chunks
  const auto hidden = at::randn({tokens, 4}), weight = at::randn({vocab, 4});
  const auto labels = random_labels(tokens, vocab);
  // Both round in float32, by how much differs between instruction sets: the fused one may be 2e-5 further from double than the
  // plain one is.
  const auto in_double = [&](const Tensors& in) {
    return at::nll_loss(at::log_softmax(at::mm(in[0], in[1].t()), 1), labels, {}, at::Reduction::Sum, -100);
  };
  const auto wanted = evaluate(in_double, {hidden.to(at::kDouble), weight.to(at::kDouble)});
  const auto plain = evaluate(with_labels(labels, linear_cross_entropy_composite), {hidden, weight});
  const auto found = evaluate(with_labels(labels, linear_cross_entropy), {hidden, weight});
  EXPECT_LE(relative_error(found.output, wanted.output), 1e-6);
  for (size_t i = 0; i < 2; ++i)
    EXPECT_LE(relative_error(found.gradients[i], wanted.gradients[i]), relative_error(plain.gradients[i], wanted.gradients[i]) + 2e-5) << i;
}

TEST(LinearCrossEntropy, GradientsMatchFiniteDifferences) {
  at::manual_seed(3);
  const auto labels = at::tensor({int64_t{0}, int64_t{-100}, int64_t{6}});
  const auto in_double = [&](const Tensors& in) {
    return at::nll_loss(at::log_softmax(at::mm(in[0], in[1].t()), 1), labels, {}, at::Reduction::Sum, -100);
  };
  const Tensors inputs{at::randn({3, 4}, at::kDouble), at::randn({7, 4}, at::kDouble)};
  expect_gradients_match(in_double, inputs);
  const auto wanted = evaluate(in_double, inputs);
  const auto found = evaluate(with_labels(labels, linear_cross_entropy),
                              {inputs[0].to(at::kFloat), inputs[1].to(at::kFloat)});
  for (size_t i = 0; i < 2; ++i) EXPECT_LE(relative_error(found.gradients[i], wanted.gradients[i]), 1e-6);
}

TEST(LinearCrossEntropy, GivesEachRowTheSameLossInAnyBatch) {
  at::manual_seed(4);
  const int64_t tokens = 64, vocab = 3000;
  const auto hidden = at::randn({tokens, 32}), weight = at::randn({vocab, 32}), labels = random_labels(tokens, vocab);
  double by_parts = 0;
  for (const auto& part : at::arange(tokens).split(8))
    by_parts += linear_cross_entropy(hidden.index_select(0, part), weight, labels.index_select(0, part)).item<double>();
  const double whole = linear_cross_entropy(hidden, weight, labels).item<double>();
  EXPECT_NEAR(by_parts / whole, 1, 1e-6);
}

TEST(LinearCrossEntropy, IsZeroWhenNoLabelCounts) {
  const auto labels = at::full({3}, -100, at::kLong);
  const auto found = evaluate(with_labels(labels, linear_cross_entropy), {at::ones({3, 4}), at::ones({5, 4})});
  EXPECT_EQ(found.output.item<float>(), 0);
  EXPECT_EQ(found.gradients[0].abs().sum().item<float>(), 0);
  EXPECT_EQ(found.gradients[1].abs().sum().item<float>(), 0);
}

TEST(LinearCrossEntropy, ScalesGradientsByTheOutgoingOne) {
  at::manual_seed(5);
  const auto labels = at::randint(0, 50, {6});
  const auto once = evaluate(with_labels(labels, linear_cross_entropy), {at::randn({6, 4}), at::randn({50, 4})});
  at::manual_seed(5);
  at::randint(0, 50, {6});
  const Operation half = [&](const Tensors& in) { return linear_cross_entropy(in[0], in[1], labels) * 0.5; };
  const auto halved = evaluate(half, {at::randn({6, 4}), at::randn({50, 4})});
  EXPECT_TRUE(at::equal(once.gradients[1] * 0.5, halved.gradients[1]));
}

TEST(LinearCrossEntropy, GivesTheSameLossOnAnyThreads) {
  at::manual_seed(6);
  const auto operation = with_labels(random_labels(80, 1000), linear_cross_entropy);
  const Tensors inputs{at::randn({80, 16}), at::randn({1000, 16})};
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = evaluate(operation, inputs);
  at::set_num_threads(2);
  const auto two = evaluate(operation, inputs);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.output, two.output));
  for (size_t i = 0; i < 2; ++i) EXPECT_LE(relative_error(one.gradients[i], two.gradients[i]), 1e-6);
}

TEST(LinearCrossEntropy, AddsWhatAnAdapterAdds) {
  at::manual_seed(8);
  const auto labels = random_labels(300, 700);
  const auto of = [&](auto* function) {
    return Operation([&labels, function](const Tensors& in) { return function(in[0], in[1], labels, {in[2], in[3]}); });
  };
  const Tensors inputs{at::randn({300, 24}), at::randn({700, 24}), at::randn({300, 5}), at::randn({700, 5})};
  expect_equal_operations(of(linear_cross_entropy), of(linear_cross_entropy_composite), inputs, 1e-5);
  Tensors narrow;
  for (const auto& input : inputs) narrow.push_back(input.to(at::kBFloat16));
  expect_equal_operations(of(linear_cross_entropy), of(linear_cross_entropy_composite), narrow, 0.03);
  const auto merged = with_labels(labels, linear_cross_entropy);
  const auto sum = evaluate(merged, {at::cat({inputs[0], inputs[2]}, 1), at::cat({inputs[1], inputs[3]}, 1)});
  EXPECT_LE(relative_error(evaluate(of(linear_cross_entropy), inputs).output, sum.output), 1e-6);
}

TEST(LinearCrossEntropy, WeighsEachLabel) {
  at::manual_seed(9);
  const auto labels = random_labels(70, 500), weights = at::rand({70});
  const auto of = [&](auto* function) {
    return Operation([&, function](const Tensors& in) { return function(in[0], in[1], {labels, weights}, {}); });
  };
  const Tensors inputs{at::randn({70, 24}), at::randn({500, 24})};
  expect_equal_operations(of(linear_cross_entropy), of(linear_cross_entropy_composite), inputs, 1e-5);
  double by_row = 0;
  for (int64_t row = 0; row < 70; ++row)
    by_row += weights[row].item<double>() *
              linear_cross_entropy(inputs[0].narrow(0, row, 1), inputs[1], labels.narrow(0, row, 1)).item<double>();
  EXPECT_NEAR(evaluate(of(linear_cross_entropy), inputs).output.item<double>() / by_row, 1, 1e-5);
}

TEST(LinearCrossEntropy, RejectsALabelOutsideTheVocabulary) {
  const auto labels = at::full({2}, 5, at::kLong);
  EXPECT_THROW(linear_cross_entropy(at::ones({2, 4}), at::ones({5, 4}), labels), c10::Error);
}

}  // namespace
}  // namespace ingot::ops
