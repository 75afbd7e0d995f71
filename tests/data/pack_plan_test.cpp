#include "data/sft/pack_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "data/shards/mixture.h"

namespace ingot::data {
namespace {

std::vector<uint32_t> random_lengths(size_t count, uint32_t longest) {
  std::mt19937 random(5);
  std::vector<uint32_t> lengths(count);
  for (auto& length : lengths) length = 1 + random() % longest;
  return lengths;
}

TEST(PackPlan, PutsEveryItemInOnePackThatHoldsIt) {
  const auto lengths = random_lengths(5000, 300);
  const PackPlan plan = pack_best_fit(lengths, 512);
  std::vector<uint64_t> seen = plan.members;
  std::sort(seen.begin(), seen.end());
  std::vector<uint64_t> all(5000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(seen, all);
  for (uint64_t pack = 0; pack < plan.num_packs(); ++pack) {
    uint64_t sum = 0;
    for (const uint64_t item : plan.pack(pack)) sum += lengths[item];
    EXPECT_GT(sum, 0u);
    EXPECT_LE(sum, 512u);
  }
}

TEST(PackPlan, WastesLessThanOnePercentOfRandomLengths) {
  const auto lengths = random_lengths(5000, 300);
  const double total = std::accumulate(lengths.begin(), lengths.end(), 0.0);
  const PackPlan plan = pack_best_fit(lengths, 512);
  const double fill = total / (512.0 * static_cast<double>(plan.num_packs()));
  RecordProperty("fill", std::to_string(fill));
  EXPECT_GT(fill, 0.99);
}

TEST(PackPlan, ChoosesTheFullestPackThatHasRoom) {
  // Falling: 7, 6, 3, 3, 1. 3 goes to 7 exactly, 3 to 6 leaving 1, 1 fills it.
  const std::vector<uint32_t> lengths{3, 7, 1, 6, 3};
  const PackPlan plan = pack_best_fit(lengths, 10);
  EXPECT_EQ(plan.starts, (std::vector<uint64_t>{0, 2, 5}));
  EXPECT_EQ(plan.members, (std::vector<uint64_t>{0, 1, 2, 3, 4}));
}

TEST(PackPlan, OfNothingIsEmpty) { EXPECT_EQ(pack_best_fit({}, 8).num_packs(), 0u); }

TEST(Mixture, UsesEverySampleSoManyTimes) {
  const std::vector<uint64_t> samples{10, 11, 12, 13};
  EXPECT_EQ(weighted(samples, 1, 1, 0), samples);
  EXPECT_EQ(weighted(samples, 2, 1, 0), (std::vector<uint64_t>{10, 11, 12, 13, 10, 11, 12, 13}));
  EXPECT_EQ(weighted(samples, 0, 1, 0), (std::vector<uint64_t>{}));
  auto more = weighted(samples, 1.5, 1, 0);
  EXPECT_EQ(more.size(), 6u);
  EXPECT_TRUE(std::equal(samples.begin(), samples.end(), more.begin()));
  std::sort(more.begin(), more.end());
  more.erase(std::unique(more.begin(), more.end()), more.end());
  EXPECT_EQ(more, samples);
}

TEST(Mixture, InterleavedSetsEndWithTheFirstOrTheLast) {
  const std::vector<uint64_t> sizes{100, 300};
  const std::vector<double> even{0.5, 0.5}, quarter{0.75, 0.25}, alone{0, 1};
  using Weights = std::vector<double>;
  EXPECT_EQ(interleave_weights(sizes, even, Interleave::kUnder), (Weights{1, 1.0 / 3}));
  EXPECT_EQ(interleave_weights(sizes, even, Interleave::kOver), (Weights{3, 1}));
  EXPECT_EQ(interleave_weights(sizes, quarter, Interleave::kOver), (Weights{9, 1}));
  EXPECT_EQ(interleave_weights(sizes, alone, Interleave::kUnder), (Weights{0, 1}));
}

TEST(Mixture, SpreadsEveryPartEvenlyInItsOrder) {
  EXPECT_EQ(spread({{1, 2, 3, 4}, {7, 8}}), (std::vector<uint64_t>{1, 7, 2, 3, 8, 4}));
  EXPECT_EQ(spread({{5}, {}, {1, 2, 3}}), (std::vector<uint64_t>{1, 5, 2, 3}));
  EXPECT_EQ(spread({}), (std::vector<uint64_t>{}));
}

TEST(Mixture, ChoosesAShareBySeedAndSet) {
  std::vector<uint64_t> samples(100);
  std::iota(samples.begin(), samples.end(), 0);
  const auto half = weighted(samples, 0.5, 1, 0);
  EXPECT_EQ(half.size(), 50u);
  EXPECT_EQ(half, weighted(samples, 0.5, 1, 0));
  EXPECT_NE(half, weighted(samples, 0.5, 2, 0));
  EXPECT_NE(half, weighted(samples, 0.5, 1, 1));
}

}  // namespace
}  // namespace ingot::data
