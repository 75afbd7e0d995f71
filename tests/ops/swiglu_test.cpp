#include "ops/swiglu.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

at::Tensor fused_swiglu(const Tensors& in) { return swiglu(in[0], in[1]); }
at::Tensor composite_swiglu(const Tensors& in) { return swiglu_composite(in[0], in[1]); }

TEST(Swiglu, EqualsItsCompositeOnRandomShapes) {
  at::manual_seed(1);
  for (const int64_t rows : {1, 7, 130}) {
    const int64_t ffn = at::randint(1, 900, {1}).item<int64_t>();
    const auto gate = at::randn({rows, ffn}) * 4, up = at::randn({rows, ffn});
    expect_equal_operations(fused_swiglu, composite_swiglu, {gate, up}, 2e-6);
    expect_equal_operations(fused_swiglu, composite_swiglu, {gate.to(at::kBFloat16), up.to(at::kBFloat16)}, 0.005);
  }
}

TEST(Swiglu, GradientsMatchFiniteDifferences) {
  at::manual_seed(7);
  expect_gradients_match(fused_swiglu, {at::randn({2, 3, 4}, at::kDouble), at::randn({2, 3, 4}, at::kDouble)});
}

TEST(Swiglu, HoldsAtExtremeGates) {
  const auto gate = at::tensor({-1e4f, -90.0f, -20.0f, 0.0f, 20.0f, 90.0f, 1e4f});
  const auto out = swiglu(gate, at::ones({7}));
  EXPECT_TRUE(at::allclose(out, at::tensor({0.0f, 0.0f, -4.1223e-8f, 0.0f, 20.0f, 90.0f, 1e4f}), 1e-4, 1e-12));
}

TEST(Swiglu, PassesNaNOn) {
  EXPECT_TRUE(swiglu(at::full({40}, NAN), at::ones({40})).isnan().all().item<bool>());
  EXPECT_TRUE(swiglu(at::full({40}, NAN).to(at::kBFloat16), at::ones({40}, at::kBFloat16)).isnan().all().item<bool>());
}

TEST(Swiglu, DoesNotDependOnThreads) {
  at::manual_seed(3);
  expect_same_on_any_threads(fused_swiglu, {at::randn({300, 200}), at::randn({300, 200})});
}

TEST(Swiglu, RejectsShapesThatDiffer) { EXPECT_THROW(swiglu(at::ones({2, 4}), at::ones({2, 5})), c10::Error); }

}  // namespace
}  // namespace ingot::ops
