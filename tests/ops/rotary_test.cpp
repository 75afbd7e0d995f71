#include "ops/rotary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

struct Table {
  at::Tensor cos, sin;
};

Table random_table(int64_t batch, int64_t seq, int64_t half) {
  const auto angle = at::rand({batch, seq, half}) * 100;
  return {angle.cos(), angle.sin()};
}

TEST(Rotary, EqualsItsCompositeOnRandomShapes) {
  at::manual_seed(1);
  for (const int64_t half : {1, 4, 32, 47}) {
    for (const int64_t tables : {1, 3}) {
      const auto table = random_table(tables, 9, half);
      const auto x = at::randn({3, 9, 5, 2 * half + 6});
      for (const auto pairs : {RotaryPairs::kHalves, RotaryPairs::kNeighbours}) {
        const Operation fused = [&](const Tensors& in) { return rotary(in[0], table.cos, table.sin, pairs); };
        const Operation composite = [&](const Tensors& in) {
          return rotary_composite(in[0], table.cos, table.sin, pairs);
        };
        expect_equal_operations(fused, composite, {x}, 1e-6);
        expect_equal_operations(fused, composite, {x.to(at::kBFloat16)}, 0.005);
      }
    }
  }
}

TEST(Rotary, PairsTheHalvesOfAHead) {
  const auto x = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({1, 1, 1, 4});
  const auto quarter_turn = rotary(x, at::zeros({1, 1, 2}), at::ones({1, 1, 2}));
  EXPECT_TRUE(at::equal(quarter_turn.flatten(), at::tensor({-3.0f, -4.0f, 1.0f, 2.0f})));
}

TEST(Rotary, PairsTheNeighboursOfAHead) {
  const auto x = at::tensor({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}).view({1, 1, 1, 6});  // the last two pass through
  const auto quarter_turn = rotary(x, at::zeros({1, 1, 2}), at::ones({1, 1, 2}), RotaryPairs::kNeighbours);
  EXPECT_TRUE(at::equal(quarter_turn.flatten(), at::tensor({-2.0f, 1.0f, -4.0f, 3.0f, 5.0f, 6.0f})));
}

TEST(Rotary, GradientsMatchFiniteDifferences) {
  at::manual_seed(2);
  const auto table = random_table(2, 3, 2);
  const auto cos = table.cos.to(at::kDouble), sin = table.sin.to(at::kDouble);
  for (const auto pairs : {RotaryPairs::kHalves, RotaryPairs::kNeighbours})
    expect_gradients_match([&](const Tensors& in) { return rotary(in[0], cos, sin, pairs); },
                           {at::randn({2, 3, 2, 6}, at::kDouble)});
}

TEST(Rotary, DoesNotDependOnThreads) {
  at::manual_seed(3);
  const auto table = random_table(1, 200, 16);
  expect_same_on_any_threads([&](const Tensors& in) { return rotary(in[0], table.cos, table.sin); },
                             {at::randn({2, 200, 4, 32})});
}

TEST(Rotary, RejectsATableWiderThanTheHead) {
  EXPECT_THROW(rotary(at::ones({1, 2, 1, 4}), at::ones({1, 2, 3}), at::ones({1, 2, 3})), c10::Error);
}

}  // namespace
}  // namespace ingot::ops
