#include "ops/wide_product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/linear_cross_entropy.h"
#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

/// Chunks of rows that each give every element the same small value.
struct Chunks {
  int64_t count, rows;
  double value;
};

/// sum of aᵀ * b over the chunks, each by its own call.
template <class Add>
at::Tensor summed(const Add& add, const Chunks& chunks, int64_t m, int64_t n) {
  auto sum = at::zeros({m, n});
  for (int64_t i = 0; i < chunks.count; ++i)
    add(sum, at::full({chunks.rows, m}, chunks.value, at::kBFloat16), at::ones({chunks.rows, n}, at::kBFloat16));
  return sum;
}

TEST(WideProduct, EqualsTheProductInDoubleOnRandomShapes) {
  at::manual_seed(1);
  for (const int64_t k : {1, 2, 7, 65, 300}) {
    const int64_t m = at::randint(1, 400, {1}).item<int64_t>(), n = at::randint(1, 600, {1}).item<int64_t>();
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const auto a = at::randn({k, m}).to(dtype), b = at::randn({k, n}).to(dtype), before = at::randn({m, n});
      auto sum = before.clone();
      add_wide_product(sum, a, b);
      const auto wanted = before.to(at::kDouble) + at::mm(a.to(at::kDouble).t(), b.to(at::kDouble));
      EXPECT_LE(relative_error(sum, wanted), 1e-6) << k << " " << m << " " << n << " " << dtype;
    }
  }
}

TEST(WideProduct, LosesNothingBetweenChunks) {
  const Chunks chunks{300, 3, 1.0};
  const auto rounded_by_chunk = [](at::Tensor& sum, const at::Tensor& a, const at::Tensor& b) {
    sum = (sum.to(at::kBFloat16) + at::mm(a.t(), b)).to(at::kFloat);
  };
  EXPECT_TRUE(at::equal(summed(add_wide_product, chunks, 70, 9), at::full({70, 9}, 900.0)));
  EXPECT_TRUE(at::equal(summed(add_wide_product_composite, chunks, 70, 9), at::full({70, 9}, 900.0)));
  EXPECT_FALSE(at::equal(summed(rounded_by_chunk, chunks, 70, 9), at::full({70, 9}, 900.0)));
}

TEST(WideProduct, RefusesASumOfAnotherShape) {
  auto sum = at::zeros({3, 4});
  EXPECT_THROW(add_wide_product(sum, at::ones({2, 4}), at::ones({2, 3})), c10::Error);
}

/// 1,800 rows of a vocabulary of 40,000 are three chunks of logits.
TEST(LinearCrossEntropy, RoundsAWeightGradientOfManyChunksOnce) {
  at::manual_seed(2);
  const auto hidden = at::randn({1800, 4}).to(at::kBFloat16), weight = at::randn({40000, 4}).to(at::kBFloat16);
  const auto labels = at::randint(0, 40000, {1800});
  const auto loss = [&](const Tensors& in) { return linear_cross_entropy(in[0], in[1], labels); };
  const auto in_double = [&](const Tensors& in) { return linear_cross_entropy_composite(in[0], in[1], labels); };
  const auto found = evaluate(loss, {hidden, weight}).gradients[1];
  const auto exact = evaluate(in_double, {hidden.to(at::kDouble), weight.to(at::kDouble)}).gradients[1];
  const auto error = (found.to(at::kDouble) - exact).norm().item<double>();
  const auto rounding = (exact.to(at::kBFloat16).to(at::kDouble) - exact).norm().item<double>();
  EXPECT_LE(error / rounding, 1.45);  // 1.35 with one rounding, the logits' gradients being bf16 too; 1.57 with one for each chunk
}

}  // namespace
}  // namespace ingot::ops
