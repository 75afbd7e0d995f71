#include "train/batch_config.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace ingot::train {
namespace {

size_t num_problems(int64_t global_batch, int64_t micro_batch) {
  Problems problems;
  BatchConfig{global_batch, micro_batch}.check(problems);
  return problems.list().size();
}

TEST(BatchConfig, WantsWholeMicroBatches) {
  EXPECT_EQ(num_problems(8, 1), 0u);
  EXPECT_EQ(num_problems(8, 8), 0u);
  EXPECT_EQ(num_problems(8, 3), 1u);
  EXPECT_EQ(num_problems(4, 8), 1u);
  EXPECT_EQ(num_problems(0, 1), 1u);
  EXPECT_EQ(num_problems(8, 0), 1u);
}

TEST(StepsOfSamples, RoundsTheLastStepUp) {
  EXPECT_EQ(steps_of_samples(100, 8), 13);
  EXPECT_EQ(steps_of_samples(104, 8), 13);
  EXPECT_EQ(steps_of_samples(105, 8), 14);
  EXPECT_EQ(steps_of_samples(1, 8), 1);
}

TEST(SamplesOfEpochs, CountsPartsOfAnEpochUp) {
  EXPECT_EQ(samples_of_epochs(1, 100), 100u);
  EXPECT_EQ(samples_of_epochs(0.5, 101), 51u);
  EXPECT_EQ(samples_of_epochs(3, 8), 24u);
}

TEST(SamplesOfEpochs, IsAtLeastOne) { EXPECT_EQ(samples_of_epochs(1e-9, 3), 1u); }

TEST(SamplesOfEpochs, RefusesMoreThanCanBeCounted) { EXPECT_THROW(samples_of_epochs(1e300, 1000), ConfigError); }

}  // namespace
}  // namespace ingot::train
