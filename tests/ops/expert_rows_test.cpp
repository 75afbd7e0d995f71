#include "ops/expert_rows.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

/// A random choice of `choices` different experts for each token.
ExpertOrder random_order(int64_t tokens, int64_t choices, int64_t experts) {
  return order_by_expert(std::get<1>(at::rand({tokens, experts}).topk(choices)), experts);
}

TEST(ExpertRows, GatherEqualsItsCompositeOnRandomShapes) {
  at::manual_seed(2);
  for (const auto& [tokens, choices, width] : {std::tuple{1, 1, 5}, {37, 2, 300}, {64, 3, 17}}) {
    const auto order = random_order(tokens, choices, 5);
    const auto fused = [&](const Tensors& in) { return gather_rows(in[0], order); };
    const auto plain = [&](const Tensors& in) { return gather_rows_composite(in[0], order); };
    const auto x = at::randn({tokens, width});
    expect_equal_operations(fused, plain, {x}, 1e-6);
    expect_equal_operations(fused, plain, {x.to(at::kBFloat16)}, 0.005);
  }
}

TEST(ExpertRows, CombineEqualsItsCompositeOnRandomShapes) {
  at::manual_seed(3);
  for (const auto& [tokens, choices, width] : {std::tuple{1, 1, 5}, {37, 2, 300}, {64, 3, 17}}) {
    const auto order = random_order(tokens, choices, 5);
    const auto fused = [&](const Tensors& in) { return combine_rows(in[0], in[1], order); };
    const auto plain = [&](const Tensors& in) { return combine_rows_composite(in[0], in[1], order); };
    const auto rows = at::randn({tokens * choices, width}), weights = at::rand({tokens, choices});
    expect_equal_operations(fused, plain, {rows, weights}, 2e-6);
    expect_equal_operations(fused, plain, {rows.to(at::kBFloat16), weights}, 0.005);
  }
}

TEST(ExpertRows, GradientsMatchFiniteDifferences) {
  at::manual_seed(4);
  const auto order = random_order(5, 2, 3);
  expect_gradients_match([&](const Tensors& in) { return gather_rows(in[0], order); },
                         {at::randn({5, 4}, at::kDouble)});
  expect_gradients_match([&](const Tensors& in) { return combine_rows(in[0], in[1], order); },
                         {at::randn({10, 4}, at::kDouble), at::rand({5, 2}, at::kDouble)});
}

TEST(ExpertRows, DoNotDependOnThreads) {
  at::manual_seed(5);
  const auto order = random_order(300, 2, 8);
  expect_same_on_any_threads([&](const Tensors& in) { return gather_rows(in[0], order); }, {at::randn({300, 200})});
  const auto weights = at::rand({300, 2});
  expect_same_on_any_threads([&](const Tensors& in) { return combine_rows(in[0], weights, order); },
                             {at::randn({600, 200})});
}

TEST(ExpertRows, CombineUndoesGatherWithWeightsThatSumToOne) {
  at::manual_seed(6);
  const auto order = random_order(20, 2, 4);
  const auto x = at::randn({20, 8});
  const auto back = combine_rows(gather_rows(x, order), at::full({20, 2}, 0.5f), order);
  EXPECT_TRUE(at::equal(back, x));
}

TEST(ExpertRows, RejectShapesThatDoNotFit) {
  const auto order = random_order(4, 2, 3);
  EXPECT_THROW(gather_rows(at::ones({5, 2}), order), c10::Error);
  EXPECT_THROW(combine_rows(at::ones({8, 2}), at::ones({4, 3}), order), c10::Error);
}

}  // namespace
}  // namespace ingot::ops
