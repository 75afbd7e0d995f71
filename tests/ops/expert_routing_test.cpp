#include "ops/expert_routing.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

at::Tensor all(int64_t tokens) { return at::ones({tokens}, at::kBool); }

TEST(Route, ChoosesTheMostProbableAndRenormalises) {
  const auto logits = at::tensor({0.0f, 3.0f, 1.0f, 2.0f}).view({1, 4});
  const auto routing = route(logits, 2);
  EXPECT_TRUE(at::equal(routing.experts, at::tensor({1, 3}, at::kLong).view({1, 2})));
  EXPECT_TRUE(at::allclose(routing.weights, at::softmax(at::tensor({3.0f, 2.0f}), 0).view({1, 2}), 1e-6));
  EXPECT_EQ(route(logits.to(at::kBFloat16), 2).weights.scalar_type(), at::kFloat);
}

TEST(Route, GivesGradientToTheChosenLogitsOnly) {
  at::manual_seed(3);
  const auto logits = at::randperm(35).view({7, 5}).to(at::kDouble) / 8;  // far apart: a small step changes no choice
  const auto weights_of = [](const Tensors& in) { return route(in[0], 2).weights; };
  expect_gradients_match(weights_of, {logits});
  const auto others = at::ones_like(logits).scatter(1, route(logits, 2).experts, 0);
  EXPECT_LE((evaluate(weights_of, {logits}).gradients[0] * others).abs().max().item<double>(), 1e-15);
}

TEST(Route, RejectsMoreChoicesThanExperts) { EXPECT_THROW(route(at::ones({2, 3}), 4), c10::Error); }

TEST(OrderByExpert, PutsRowsOfOneExpertTogetherInTheOrderOfTokens) {
  const auto order = order_by_expert(at::tensor({2, 0, 0, 3, 2, 3}, at::kLong).view({3, 2}), 5);
  EXPECT_TRUE(at::equal(order.tokens, at::tensor({0, 1, 0, 2, 1, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(order.places, at::tensor({2, 0, 1, 4, 3, 5}, at::kLong).view({3, 2})));
  EXPECT_EQ(order.counts, std::vector<int64_t>({2, 0, 2, 2, 0}));
  EXPECT_THROW(order_by_expert(at::tensor({7}, at::kLong).view({1, 1}), 5), c10::Error);
}

struct Balance { at::Tensor loss, tokens; };

/// Of all layers at once.
Balance balance_of(const Tensors& logits, int64_t choices, const at::Tensor& counted) {
  const auto load = add_expert_load({}, logits, choices, counted);
  return {expert_balance(load, counted.sum().item<int64_t>(), std::ssize(logits)), load.tokens};
}

TEST(ExpertBalance, IsTheSameBitsWhereLayersAreAddedOneByOne) {
  at::manual_seed(11);
  const Tensors logits{at::randn({10, 4}), at::randn({10, 4}), at::randn({10, 4})};
  ExpertLoad load;
  for (const auto& layer : logits) load = add_expert_load(load, {layer}, 2, all(10));
  EXPECT_TRUE(at::equal(expert_balance(load, 10, 3), balance_of(logits, 2, all(10)).loss));
}

TEST(ExpertBalance, IsTheNumberOfChoicesAtUniformRouting) {
  // Token t prefers experts t and t + 1 by a hair, so that choices and probabilities are spread evenly.
  const auto logits = (at::eye(8) + at::eye(8).roll({1}, {1}) * 0.5) * 1e-4;
  const auto balance = balance_of({logits, logits}, 2, all(8));
  EXPECT_NEAR(balance.loss.item<double>(), 2.0, 1e-5);
  EXPECT_TRUE(at::equal(balance.tokens, at::full({8}, 4, at::kLong)));
}

TEST(ExpertBalance, IsTheNumberOfExpertsWhenAllTokensGoToOne) {
  const auto logits = at::tensor({100.0f, 0.0f, 0.0f, 0.0f}).expand({6, 4});
  EXPECT_NEAR(balance_of({logits}, 1, all(6)).loss.item<double>(), 4.0, 1e-5);
}

/// The formula word by word, over the rows of all layers stacked.
at::Tensor balance_by_formula(const at::Tensor& logits, int64_t choices) {
  const auto p = at::softmax(logits, -1);
  const auto chosen =
      at::one_hot(std::get<1>(p.topk(choices)), logits.size(1)).to(p.scalar_type());  // [rows, k, experts]
  return (chosen.mean(0) * p.mean(0)).sum() * logits.size(1);
}

TEST(ExpertBalance, TakesMeansOverAllLayersTogether) {
  at::manual_seed(9);
  const auto a = at::randn({10, 4}) * 3, b = at::randn({10, 4}) * 3;
  const auto fused = [](const Tensors& in) { return balance_of({in[0], in[1]}, 2, all(10)).loss; };
  const auto plain = [](const Tensors& in) { return balance_by_formula(at::cat({in[0], in[1]}), 2); };
  expect_equal_operations(fused, plain, {a, b}, 4e-6);
  const auto layer_by_layer = (balance_by_formula(a, 2) + balance_by_formula(b, 2)) / 2;
  EXPECT_GT((fused({a, b}) - layer_by_layer).abs().item<double>(), 1e-3);
}

TEST(ExpertBalance, LeavesPaddingOut) {
  at::manual_seed(10);
  const auto logits = at::randn({10, 4});
  auto counted = all(10);
  counted.slice(0, 6).fill_(false);
  const auto balance = balance_of({logits}, 2, counted);
  EXPECT_TRUE(at::allclose(balance.loss, balance_by_formula(logits.slice(0, 0, 6), 2)));
  EXPECT_EQ(balance.tokens.sum().item<int64_t>(), 12);
  EXPECT_EQ(balance_of({logits}, 2, at::zeros({10}, at::kBool)).loss.item<double>(), 0);
}

}  // namespace
}  // namespace ingot::ops
