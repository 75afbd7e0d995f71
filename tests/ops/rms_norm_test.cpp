#include "ops/rms_norm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

constexpr double kEps = 1e-5;
at::Tensor fused_norm(const Tensors& in) { return rms_norm(in[0], in[1], kEps); }
at::Tensor composite_norm(const Tensors& in) { return rms_norm_composite(in[0], in[1], kEps); }

TEST(RmsNorm, EqualsItsCompositeOnRandomShapes) {
  at::manual_seed(1);
  for (const int64_t rows : {1, 3, 65, 200}) {
    const int64_t hidden = at::randint(1, 700, {1}).item<int64_t>();
    const auto x = at::randn({2, rows, hidden}), weight = at::randn({hidden});
    expect_equal_operations(fused_norm, composite_norm, {x, weight}, 5e-6);
    expect_equal_operations(fused_norm, composite_norm, {x.to(at::kBFloat16), weight.to(at::kBFloat16)}, 0.02);
  }
}

TEST(RmsNorm, GradientsMatchFiniteDifferences) {
  at::manual_seed(2);
  expect_gradients_match(fused_norm, {at::randn({2, 3, 5}, at::kDouble), at::randn({5}, at::kDouble)});
}

TEST(RmsNorm, DoesNotDependOnThreads) {
  at::manual_seed(3);
  expect_same_on_any_threads(fused_norm, {at::randn({300, 96}), at::randn({96})});
}

TEST(RmsNorm, RoundsTheNormalisedValueBeforeTheWeight) {
  const auto x = at::randn({4, 64}).to(at::kBFloat16), weight = at::randn({64}).to(at::kBFloat16);
  const auto differing = rms_norm(x, weight, kEps).ne(rms_norm_composite(x, weight, kEps)).sum().item<int64_t>();
  EXPECT_LE(differing, 2);  // a last bit of the statistic may tip a tie
}

TEST(RmsNorm, RejectsAWeightOfAnotherSize) {
  EXPECT_THROW(rms_norm(at::ones({2, 4}), at::ones({5}), kEps), c10::Error);
}

}  // namespace
}  // namespace ingot::ops
