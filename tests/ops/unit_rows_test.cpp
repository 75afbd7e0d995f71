#include "ops/unit_rows.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/linear_cross_entropy.h"
#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

const Operation kFused = [](const Tensors& in) { return unit_rows(in[0]); };
const Operation kComposite = [](const Tensors& in) { return unit_rows_composite(in[0]); };

TEST(UnitRows, EqualsItsCompositeOnRandomShapes) {
  at::manual_seed(1);
  for (const int64_t columns : {2, 7, 64, 1000}) {
    const auto weight = at::randn({9, columns}) * 3;
    expect_equal_operations(kFused, kComposite, {weight}, 1e-6);
    expect_equal_operations(kFused, kComposite, {weight.to(at::kBFloat16)}, 0.01);
  }
}

TEST(UnitRows, GradientsMatchFiniteDifferences) {
  at::manual_seed(2);
  expect_gradients_match(kFused, {at::randn({3, 4}, at::kDouble)});
}

TEST(UnitRows, LeavesARowOfZerosAlone) {
  const auto found = evaluate(kFused, {at::zeros({2, 3})});
  EXPECT_TRUE(at::equal(found.output, at::zeros({2, 3})));
  EXPECT_TRUE(at::isfinite(found.gradients[0]).all().item<bool>());
}

TEST(UnitRows, GivesANormalisedHeadItsExactGradient) {
  at::manual_seed(3);
  const auto labels = at::tensor({int64_t{0}, int64_t{-100}, int64_t{6}});
  const Operation in_double = [&](const Tensors& in) {
    const auto logits = at::mm(in[0], (in[1] / in[1].norm(2, {1}, true)).t());
    return at::nll_loss(at::log_softmax(logits, 1), labels, {}, at::Reduction::Sum, -100);
  };
  const Tensors inputs{at::randn({3, 4}, at::kDouble), at::randn({7, 4}, at::kDouble)};
  expect_gradients_match(in_double, inputs);
  const Operation head = [&](const Tensors& in) { return linear_cross_entropy(in[0], unit_rows(in[1]), labels); };
  const auto found = evaluate(head, {inputs[0].to(at::kFloat), inputs[1].to(at::kFloat)});
  const auto wanted = evaluate(in_double, inputs);
  for (size_t i = 0; i < 2; ++i) EXPECT_LE(relative_error(found.gradients[i], wanted.gradients[i]), 1e-6);
}

TEST(UnitRows, DoesNotDependOnThreads) {
  at::manual_seed(4);
  expect_same_on_any_threads(kFused, {at::randn({300, 200})});
}

TEST(UnitRows, RejectsAVector) { EXPECT_THROW(unit_rows(at::ones({4})), c10::Error); }

}  // namespace
}  // namespace ingot::ops
