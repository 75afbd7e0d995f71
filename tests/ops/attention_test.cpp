#include "ops/attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

using Starts = std::vector<int64_t>;

Operation with_starts(const Starts& starts, decltype(causal_attention)* function, const AttentionOptions& options = {}) {
  return [=](const Tensors& in) { return function(in[0], in[1], in[2], starts, options); };
}

Tensors random_heads(int64_t batch, int64_t seq, int64_t heads, int64_t kv_heads, int64_t size,
                     at::ScalarType dtype = at::kFloat) {
  return {at::randn({batch, seq, heads, size}, dtype), at::randn({batch, seq, kv_heads, size}, dtype),
          at::randn({batch, seq, kv_heads, size}, dtype)};
}

Tensors as_bfloat16(const Tensors& inputs) {
  Tensors out;
  for (const auto& input : inputs) out.push_back(input.to(at::kBFloat16));
  return out;
}

void expect_equals_composite(const Tensors& inputs, const Starts& starts, const AttentionOptions& options = {}) {
  const auto fused = with_starts(starts, causal_attention, options);
  const auto composite = with_starts(starts, causal_attention_composite, options);
  expect_equal_operations(fused, composite, inputs, 1e-5);
  expect_equal_operations(fused, composite, as_bfloat16(inputs), 0.03);
}

TEST(CausalAttention, EqualsItsCompositeOnRandomShapes) {
  at::manual_seed(1);
  for (const int64_t seq : {2, 33, 150, 300}) {
    expect_equals_composite(random_heads(2, seq, 6, 2, 16), {});
    expect_equals_composite(random_heads(1, seq, 4, 4, 10), {});
    expect_equals_composite(random_heads(1, seq, 5, 1, 64), {});
  }
}

TEST(CausalAttentionLibrary, EqualsTheCompositeWithSegmentsWindowsAndSlopes) {
  at::manual_seed(9);
  const auto expect = [](const Tensors& in, const Starts& starts, const AttentionOptions& options = {}) {
    expect_equal_operations(with_starts(starts, causal_attention_library, options), with_starts(starts, causal_attention_composite, options), in,
                            1e-5);
  };
  expect(random_heads(2, 33, 6, 2, 16), {});
  expect(random_heads(1, 90, 4, 4, 10), {0, 20, 20, 47, 90});
  expect(random_heads(2, 45, 2, 1, 8), {0, 30, 45, 60, 90}, {.window = 16});
  expect(random_heads(1, 60, 2, 2, 8), {0, 11, 60}, {.alibi_slopes = {0.5, 0.25}});
}

/// Two pieces of the rows, as a rank of context parallelism has them.
void expect_pieces(const Tensors& whole, const std::vector<RowPiece>& pieces, const Starts& starts, const AttentionOptions& options = {}) {
  std::vector<at::Tensor> places;
  for (const auto& [begin, end] : pieces) places.push_back(at::arange(begin, end, at::kLong));
  const auto own = at::cat(places);
  const auto fused = [=](const Tensors& in) { return causal_attention_of_pieces(in[0], in[1], in[2], pieces, starts, options); };
  const auto plain = [=](const Tensors& in) {
    const auto q = at::zeros({in[1].size(0), in[1].size(1), in[0].size(2), in[0].size(3)}, in[0].options()).index_copy(1, own, in[0]);
    return causal_attention_composite(q, in[1], in[2], starts, options).index_select(1, own);
  };
  const Tensors in{whole[0].index_select(1, own), whole[1], whole[2]};
  expect_equal_operations(fused, plain, in, 1e-5);
  expect_equal_operations(fused, plain, as_bfloat16(in), 0.03);
}

TEST(PieceAttention, EqualsTheCompositeOfWholeRows) {
  at::manual_seed(12);
  expect_pieces(random_heads(2, 40, 4, 2, 16), {{10, 20}, {20, 30}}, {});
  expect_pieces(random_heads(2, 160, 4, 2, 16), {{0, 40}, {120, 160}}, {});
  expect_pieces(random_heads(2, 48, 4, 4, 8), {{12, 24}, {24, 36}}, {0, 5, 20, 48, 60, 96});
  expect_pieces(random_heads(1, 64, 2, 1, 8), {{16, 32}, {32, 48}}, {}, {.window = 9});
  expect_pieces(random_heads(1, 64, 2, 2, 8), {{0, 16}, {48, 64}}, {0, 20, 64}, {.alibi_slopes = {0.5, 0.25}});
}

TEST(CausalAttention, OfOneTokenIsItsValue) {
  at::manual_seed(7);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto in = random_heads(2, 1, 4, 2, 16, dtype);
    const auto found = evaluate(with_starts({}, causal_attention), in);
    EXPECT_TRUE(at::equal(found.output, in[2].repeat_interleave(2, 2)));
    EXPECT_LE(found.gradients[0].abs().max().item<float>(), 0.02f);  // zero but for roundings
  }
}

TEST(CausalAttention, EqualsItsCompositeOnSegments) {
  at::manual_seed(2);
  expect_equals_composite(random_heads(2, 40, 4, 2, 8), {0, 7, 14, 15, 40, 47, 80});
  expect_equals_composite(random_heads(3, 10, 4, 2, 8), {0, 10, 20, 30});
  expect_equals_composite(random_heads(1, 300, 2, 1, 32), {0, 5, 5, 290, 300});  // an empty segment is harmless
}

/// Slopes that fall from head to head, as ALiBi's do.
std::vector<double> slopes(int64_t heads) {
  std::vector<double> found;
  for (int64_t head = 0; head < heads; ++head) found.push_back(std::exp2(-8.0 * (head + 1) / heads));
  return found;
}

TEST(CausalAttention, EqualsItsCompositeWithAWindow) {
  at::manual_seed(8);
  for (const int64_t seq : {3, 33, 300})
    for (const int64_t window : {2, 7, 32, 299, 300, 1000}) {
      expect_equals_composite(random_heads(2, seq, 6, 2, 16), {}, {.window = window});
      expect_equals_composite(random_heads(1, seq, 4, 4, 10), {}, {.window = window});
    }
  expect_equals_composite(random_heads(2, 40, 4, 2, 8), {0, 7, 14, 15, 40, 47, 80}, {.window = 6});
}

TEST(CausalAttention, EqualsItsCompositeWithAlibi) {
  at::manual_seed(9);
  for (const int64_t seq : {2, 33, 300}) {
    expect_equals_composite(random_heads(2, seq, 6, 2, 16), {}, {.alibi_slopes = slopes(6)});
    expect_equals_composite(random_heads(1, seq, 5, 5, 10), {}, {.window = 9, .alibi_slopes = slopes(5)});
  }
  expect_equals_composite(random_heads(2, 40, 4, 2, 8), {0, 7, 14, 15, 40, 47, 80}, {.alibi_slopes = slopes(4)});
}

TEST(CausalAttention, SplitsLongBiasedRowsIntoBlocks) {
  at::manual_seed(10);
  expect_equals_composite(random_heads(1, 1500, 4, 2, 8), {}, {.window = 700, .alibi_slopes = slopes(4)});
}

TEST(CausalAttention, OfAWindowOfOneIsTheValues) {
  at::manual_seed(12);
  const auto in = random_heads(2, 9, 2, 2, 8);
  EXPECT_LE(relative_error(causal_attention(in[0], in[1], in[2], {}, {.window = 1}), in[2]), 1e-6);
}

TEST(CausalAttention, SeesExactlyTheWindow) {
  at::manual_seed(11);
  auto in = random_heads(1, 12, 2, 1, 8);
  const auto attention = [&] { return causal_attention(in[0], in[1], in[2], {}, {.window = 4})[0][9]; };
  const auto before = attention();
  in[2][0].narrow(0, 0, 6).fill_(1e3);  // keys 0 ... 5 lie before the window of query 9
  EXPECT_TRUE(at::equal(attention(), before));
  in[2][0][6].fill_(1e3);
  EXPECT_FALSE(at::equal(attention(), before));
}

TEST(CausalAttention, PackedSegmentsEqualSeparateRows) {
  at::manual_seed(3);
  const auto in = random_heads(1, 30, 4, 2, 8);
  const auto packed = causal_attention(in[0], in[1], in[2], {0, 12, 30});
  const auto part = [&](const at::Tensor& x) { return x.narrow(1, 12, 18); };
  const auto alone = causal_attention(part(in[0]), part(in[1]), part(in[2]), {});
  EXPECT_LE(relative_error(part(packed), alone), 1e-6);
}

TEST(CausalAttention, GradientsMatchFiniteDifferences) {
  at::manual_seed(4);
  for (const AttentionOptions& options : {AttentionOptions{}, {.window = 2}, {.alibi_slopes = {0.5, 0.1}}})
    expect_gradients_match(with_starts({0, 2, 5, 6}, causal_attention, options),
                           random_heads(2, 3, 2, 1, 3, at::kDouble));
}

TEST(CausalAttention, DoesNotDependOnThreads) {
  at::manual_seed(5);
  const auto in = random_heads(2, 150, 4, 2, 16);
  expect_same_on_any_threads(with_starts({0, 100, 150, 300}, causal_attention), in);
  expect_same_on_any_threads(with_starts({0, 100, 150, 300}, causal_attention, {11, slopes(4)}), in);
}

TEST(CausalAttention, RejectsHeadsThatDoNotDivide) {
  const auto in = random_heads(1, 4, 3, 2, 8);
  EXPECT_THROW(causal_attention(in[0], in[1], in[2], {}), c10::Error);
}

TEST(CausalAttention, RejectsSlopesOfOtherHeads) {
  const auto in = random_heads(1, 4, 2, 2, 8);
  EXPECT_THROW(causal_attention(in[0], in[1], in[2], {}, {.alibi_slopes = slopes(3)}), c10::Error);
}

TEST(CausalAttention, RejectsSegmentsThatEndEarly) {
  const auto in = random_heads(1, 4, 2, 2, 8);
  EXPECT_THROW(causal_attention(in[0], in[1], in[2], {0, 3}), c10::Error);
}

TEST(CachedAttention, GivesTheLastPositionsOfCausalAttention) {
  at::manual_seed(6);
  const auto in = random_heads(2, 20, 6, 2, 16);
  for (const AttentionOptions& options : {AttentionOptions{}, {.window = 5}, {.alibi_slopes = slopes(6)}}) {
    const auto whole = causal_attention(in[0], in[1], in[2], {}, options);
    for (const int64_t fresh : {1, 7, 20}) {
      const auto found = cached_attention(in[0].narrow(1, 20 - fresh, fresh), in[1], in[2], options);
      EXPECT_LE(relative_error(found, whole.narrow(1, 20 - fresh, fresh)), 1e-5);
    }
  }
}

TEST(CachedAttention, RejectsMorePositionsThanTheCacheHolds) {
  const auto in = random_heads(1, 4, 2, 2, 8);
  EXPECT_THROW(cached_attention(in[0], in[1].narrow(1, 0, 3), in[2].narrow(1, 0, 3)), c10::Error);
}

}  // namespace
}  // namespace ingot::ops
