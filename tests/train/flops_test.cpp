#include "train/flops.h"

#include <gtest/gtest.h>

#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

constexpr int64_t kLayerMatrices = 32 * 32 * 2 + 32 * 16 * 2 + 3 * 32 * 48;  // q, o, k, v, gate, up, down
constexpr int64_t kHead = 64 * 32;

data::Batch first_rows(const DataSource& source, uint64_t count) {
  std::vector<uint64_t> samples(count);
  for (uint64_t i = 0; i < count; ++i) samples[i] = i;
  return source.batch(samples);
}

TEST(Flops, CountTheHeadOnceAndTheLookupNever) {
  EXPECT_EQ(num_matmul_parameters(*tiny_llama(at::kFloat, 3, true)), 2 * kLayerMatrices + kHead);
  EXPECT_EQ(num_matmul_parameters(*tiny_llama(at::kFloat, 3, false)), 2 * kLayerMatrices + kHead);
}

TEST(Flops, FollowTheFormulaOnFullRows) {
  const auto model = tiny_llama();
  const double tokens = 3 * 16, attention = 12.0 * 2 * 32 * 16 * tokens / 2;
  EXPECT_DOUBLE_EQ(model_flops(*model, first_rows(random_rows(3), 3)),
                   6.0 * (2 * kLayerMatrices + kHead) * tokens + attention);
}

TEST(Flops, CountTheExpertsThatATokenGoesThrough) {
  auto config = tiny_config(), dense = config;
  config.model_type = "mixtral", config.num_experts = 5, config.experts_per_token = 2;
  const auto matrices = [](const model::DecoderConfig& of) {
    return num_matmul_parameters(*model::build_model(of, at::kFloat, "meta"));
  };
  const int64_t expert = 3 * 32 * 48, router = 5 * 32;
  EXPECT_EQ(matrices(config), matrices(dense) + 2 * (expert + router));
}

TEST(Flops, LeavePaddingOut) {
  const auto batch = first_rows(random_rows(2, [](uint64_t row) { return row == 0 ? 16 : 5; }), 2);
  EXPECT_EQ(num_tokens(batch), 21u);
  const double attention = 12.0 * 2 * 32 * (16 * 16 + 5 * 5) / 2;
  EXPECT_DOUBLE_EQ(model_flops(*tiny_llama(), batch), 6.0 * (2 * kLayerMatrices + kHead) * 21 + attention);
}

TEST(Flops, CountLabelsLeftOutBeforeTheLastOne) {
  data::Batch batch = first_rows(random_rows(1), 1);
  for (size_t i = 0; i < 10; ++i) batch.labels[i] = data::kIgnoredLabel;
  EXPECT_EQ(num_tokens(batch), 16u);
}

TEST(Flops, CountAttentionWithinSegmentsOnly) {
  data::Batch batch = first_rows(random_rows(2), 2);
  const double whole = model_flops(*tiny_llama(), batch);
  batch.segment_starts = {0, 4, 16, 32};
  EXPECT_DOUBLE_EQ(whole - model_flops(*tiny_llama(), batch), 12.0 * 2 * 32 * (16 * 16 - 4 * 4 - 12 * 12) / 2);
}

}  // namespace
}  // namespace ingot::train
