#include "data/shards/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace ingot::data {
namespace {

std::vector<uint64_t> epoch_order(const Sampler& sampler, uint64_t num_samples, uint64_t epoch) {
  std::vector<uint64_t> order;
  for (uint64_t i = 0; i < num_samples; ++i) order.push_back(sampler.sample(epoch * num_samples + i));
  return order;
}

TEST(Sampler, EveryEpochIsAPermutationAndEpochsDiffer) {
  for (const uint64_t num_samples : {1, 2, 3, 7, 64, 1000, 4097}) {
    const Sampler sampler(num_samples, 42);
    std::vector<uint64_t> all(num_samples);
    std::iota(all.begin(), all.end(), 0);
    const auto first = epoch_order(sampler, num_samples, 0), second = epoch_order(sampler, num_samples, 1);
    EXPECT_TRUE(std::is_permutation(first.begin(), first.end(), all.begin(), all.end())) << num_samples;
    EXPECT_TRUE(std::is_permutation(second.begin(), second.end(), all.begin(), all.end())) << num_samples;
    if (num_samples < 64) continue;
    EXPECT_NE(first, second);
    EXPECT_NE(first, all);
  }
}

TEST(Sampler, OrderNeedsNoStateAndFollowsTheSeed) {
  const Sampler sampler(1000, 42), again(1000, 42), other(1000, 43);
  EXPECT_EQ(sampler.sample(123'456), again.sample(123'456));
  EXPECT_EQ(sampler.epoch_of(123'456), 123u);
  EXPECT_NE(epoch_order(sampler, 1000, 0), epoch_order(other, 1000, 0));
}

TEST(Sampler, FirstPlacesAreSpreadEvenly) {
  std::vector<int> hits(10);
  for (uint64_t seed = 0; seed < 5000; ++seed) ++hits[Sampler(10, seed).sample(0)];
  for (const int count : hits) EXPECT_NEAR(count, 500, 100);
}

TEST(Sampler, WithoutShuffleTheOrderIsThatOfTheFile) {
  const Sampler sampler(5, 42, false);
  EXPECT_EQ(epoch_order(sampler, 5, 3), (std::vector<uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_THROW(Sampler(0, 1), ConfigError);
}

TEST(Split, RowsAreDividedWithoutLossAndFollowTheSeed) {
  const Split split = split_rows(1000, 100, 7);
  std::vector<uint64_t> merged;
  std::merge(split.train.begin(), split.train.end(), split.eval.begin(), split.eval.end(), std::back_inserter(merged));
  std::vector<uint64_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(merged, all);
  EXPECT_EQ(split.eval.size(), 100u);
  EXPECT_EQ(split.eval, split_rows(1000, 100, 7).eval);
  EXPECT_NE(split.eval, split_rows(1000, 100, 8).eval);
}

TEST(Split, EvaluationMayNotTakeAllRows) {
  EXPECT_THROW(split_rows(10, 10, 1), ConfigError);
  EXPECT_THROW(split_rows(0, 0, 1), ConfigError);
  EXPECT_TRUE(split_rows(10, 0, 1).eval.empty());
}

}  // namespace
}  // namespace ingot::data
