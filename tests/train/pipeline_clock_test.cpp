#include "train/plan/pipeline_clock.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ingot::train {
namespace {

/// Stages that all take 1 s forward and 2 s backward a rank, dealt to its chunks.
PipelineLoad even(int64_t ranks, int64_t chunks, int64_t micro_batches) {
  PipelineLoad load{.ranks = ranks, .chunks = chunks, .micro_batches = micro_batches};
  const auto share = 1.0 / static_cast<double>(chunks);
  load.stages.assign(static_cast<size_t>(ranks * chunks), {{.compute = share}, {.compute = 2 * share}});
  return load;
}

double seconds(const PipelineLoad& load) { return pipeline_clocks(load).front().total(); }

/// Source: Narayanan et al. 2021: each rank waits for ranks - 1 micro-batches, or a chunk's part of it.
double formula(const PipelineLoad& load) {
  return 3 * (static_cast<double>(load.micro_batches) + static_cast<double>(load.ranks - 1) / static_cast<double>(load.chunks));
}

TEST(PipelineClock, OneRankNeverWaits) {
  const auto clocks = pipeline_clocks(even(1, 1, 5));
  ASSERT_EQ(clocks.size(), 1u);
  EXPECT_DOUBLE_EQ(clocks[0].spent.compute, 15);
  EXPECT_NEAR(clocks[0].waiting, 0, 1e-12);
}

TEST(PipelineClock, BubbleIsThatOfTheFormulas) {
  for (const int64_t ranks : {2, 4, 8})
    for (const int64_t chunks : {1, 2, 4})
      for (const int64_t groups : {1, 2, 3, 9}) {
        const auto load = even(ranks, chunks, groups * ranks);
        EXPECT_NEAR(seconds(load), formula(load), 1e-9) << ranks << " ranks, " << chunks << " chunks, " << groups << " groups";
      }
}

TEST(PipelineClock, EveryRankHasTheSameTotalAndItsOwnWork) {
  auto load = even(4, 1, 6);
  load.stages[2].forward.exchange = 0.5;
  const auto clocks = pipeline_clocks(load);
  for (const auto& clock : clocks) {
    EXPECT_NEAR(clock.total(), clocks[0].total(), 1e-9);
    EXPECT_NEAR(clock.spent.compute, 18, 1e-9);
    EXPECT_GE(clock.waiting, -1e-9);
  }
  EXPECT_NEAR(clocks[2].spent.exchange, 3, 1e-9);
  EXPECT_LT(clocks[2].waiting, clocks[0].waiting);
}

TEST(PipelineClock, TheSlowestStageSetsThePace) {
  auto load = even(4, 1, 40);
  const double before = seconds(load);
  load.stages[1].backward.compute += 1;
  EXPECT_NEAR(seconds(load) - before, 40, 4);
}

TEST(PipelineClock, NothingThatTakesLongerEndsTheStepSooner) {
  const auto base = even(4, 2, 12);
  const double before = seconds(base);
  for (size_t stage = 0; stage < base.stages.size(); ++stage) {
    auto load = base;
    load.stages[stage].forward.compute *= 1.5;
    EXPECT_GT(seconds(load), before);
  }
  auto load = base;
  load.message = 0.1;
  EXPECT_GT(seconds(load), before);
  load.latency = 0.1;
  EXPECT_GT(seconds(load), before + 0.1);
}

TEST(PipelineClock, ManyMicroBatchesTakeWhatTheyTakeOneByOne) {
  auto load = even(4, 2, 16);
  load.stages[3].forward.compute += 0.3, load.message = 0.05, load.latency = 0.01;
  const double sixteen = seconds(load), group = (load.micro_batches = 20, seconds(load)) - sixteen;
  load.micro_batches = 4096;
  EXPECT_NEAR(seconds(load), sixteen + group * (4096 - 16) / 4, 1e-6);
}

TEST(PipelineClock, RanksShareTheCoresThatAreThere) {
  auto load = even(1, 1, 4);
  load.alike = 8, load.at_once = 2;
  EXPECT_NEAR(seconds(load), 4 * 12, 1e-9);
  load = even(4, 1, 32);
  const double alone = seconds(load);
  load.at_once = 4;
  EXPECT_NEAR(seconds(load), alone, 1e-9);
  load.at_once = 2;
  const double shared = seconds(load);
  EXPECT_GT(shared, 2 * 32 * 3 - 1e-9);   // twice the work of a core
  EXPECT_LT(shared, 2 * alone);           // who waits leaves its core to others
}

TEST(PipelineClock, WhoIsDoneWaitsForTheSlowest) {
  const auto clocks = joint_clocks({{.memory = 1}, {.memory = 3}, {}}, /*alike=*/1, /*at_once=*/0);
  EXPECT_DOUBLE_EQ(clocks[0].waiting, 2);
  EXPECT_DOUBLE_EQ(clocks[1].waiting, 0);
  EXPECT_DOUBLE_EQ(clocks[2].waiting, 3);
  const auto shared = joint_clocks({{.memory = 1}, {.memory = 3}}, /*alike=*/1, /*at_once=*/1);
  EXPECT_DOUBLE_EQ(shared[0].spent.memory, 2);
  EXPECT_DOUBLE_EQ(shared[1].total(), 4);
}

}  // namespace
}  // namespace ingot::train
