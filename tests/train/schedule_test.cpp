#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace ingot::train {
namespace {

ScheduleConfig schedule(const std::string& type) {
  ScheduleConfig config;
  config.lr_scheduler_type = type, config.learning_rate = 1e-3, config.min_learning_rate = 1e-4;
  config.warmup_steps = 10, config.total_steps = 110, config.decay_steps = 20;
  return config;
}

TEST(Schedule, WarmsUpInEqualPartsAndWastesNoUpdate) {
  for (const char* type : {"cosine", "linear", "constant", "wsd"}) {
    EXPECT_DOUBLE_EQ(learning_rate_at(schedule(type), 0), 1e-4) << type;
    EXPECT_DOUBLE_EQ(learning_rate_at(schedule(type), 4), 5e-4) << type;
    EXPECT_DOUBLE_EQ(learning_rate_at(schedule(type), 9), 1e-3) << type;
    EXPECT_DOUBLE_EQ(learning_rate_at(schedule(type), 10), 1e-3) << type;
  }
}

TEST(Schedule, CosineFollowsItsFormula) {
  const auto config = schedule("cosine");
  for (int64_t step = 10; step < 110; ++step) {
    const double share = 0.5 * (1 + std::cos(M_PI * static_cast<double>(step - 10) / 100));
    EXPECT_NEAR(learning_rate_at(config, step), 1e-4 + 9e-4 * share, 1e-18);
  }
}

TEST(Schedule, LinearFallsByEqualAmounts) {
  const auto config = schedule("linear");
  for (int64_t step = 10; step < 110; ++step)
    EXPECT_NEAR(learning_rate_at(config, step), 1e-4 + 9e-4 * static_cast<double>(110 - step) / 100, 1e-18);
}

TEST(Schedule, ConstantStaysAtThePeak) {
  for (int64_t step : {10, 60, 109, 500}) EXPECT_EQ(learning_rate_at(schedule("constant"), step), 1e-3);
}

TEST(Schedule, WsdIsStableThenFallsLinearly) {
  const auto config = schedule("wsd");
  for (int64_t step : {10, 50, 90}) EXPECT_DOUBLE_EQ(learning_rate_at(config, step), 1e-3) << step;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 100), 5.5e-4);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 109), 1e-4 + 9e-4 / 20);
}

TEST(Schedule, StaysAtTheMinimumBehindTheLastStep) {
  for (const char* type : {"cosine", "linear", "wsd"})
    for (int64_t step : {110, 111, 100000}) EXPECT_DOUBLE_EQ(learning_rate_at(schedule(type), step), 1e-4) << type;
}

TEST(Schedule, StartsAtThePeakWithoutWarmUp) {
  auto config = schedule("cosine");
  config.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 0), 1e-3);
}

TEST(Schedule, WantsStepsBehindTheWarmUp) {
  auto config = schedule("linear");
  for (const auto& [warmup, count] : {std::pair{109, 0u}, {110, 1u}, {-1, 1u}}) {
    config.warmup_steps = warmup;
    Problems problems;
    config.check(problems);
    EXPECT_EQ(problems.list().size(), count) << warmup;
  }
}

TEST(Schedule, GoesOnBehindARunThatIsAllWarmUp) {
  auto config = schedule("linear");
  config.warmup_steps = config.total_steps;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 109), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 110), 1e-4);
}

TEST(Schedule, ReportsEveryBrokenRule) {
  ScheduleConfig config;
  config.lr_scheduler_type = "cosin", config.min_learning_rate = 1, config.warmup_steps = 5, config.total_steps = 2;
  Problems problems;
  config.check(problems);
  EXPECT_EQ(problems.list().size(), 3u);
  EXPECT_THROW(problems.throw_if_any("run.yaml"), ConfigError);
}

TEST(Schedule, WantsADecayThatFitsBehindTheWarmUp) {
  for (const int64_t decay_steps : {0, 101}) {
    auto config = schedule("wsd");
    config.decay_steps = decay_steps;
    Problems problems;
    config.check(problems);
    EXPECT_EQ(problems.list().size(), 1u) << decay_steps;
  }
}

}  // namespace
}  // namespace ingot::train
