#include "parallel/pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace ingot::parallel {
namespace {

using Pass = PipelineTask::Pass;

/// Every rank does its tasks in turn, each of a tick, as soon as what it needs has come. The ticks that all take; 0 when they wait for each other.
int64_t ticks(int64_t ranks, int64_t chunks, int64_t num_micro_batches, std::vector<int64_t>& most_kept) {
  std::vector<std::vector<PipelineTask>> tasks;
  for (int64_t rank = 0; rank < ranks; ++rank) tasks.push_back(pipeline_tasks({ranks, chunks, rank}, num_micro_batches));
  std::vector<size_t> next(static_cast<size_t>(ranks), 0);
  std::vector<int64_t> kept(next.size(), 0);
  std::set<std::tuple<int64_t, int64_t, bool>> done;  // stage, micro-batch, backward
  most_kept.assign(next.size(), 0);
  for (int64_t tick = 1;; ++tick) {
    std::vector<std::tuple<int64_t, int64_t, bool>> made;
    bool all_done = true;
    for (size_t rank = 0; rank < next.size(); ++rank) {
      if (next[rank] == tasks[rank].size()) continue;
      all_done = false;
      const auto& task = tasks[rank][next[rank]];
      const int64_t stage = task.chunk * ranks + static_cast<int64_t>(rank), last = ranks * chunks - 1;
      const bool forward = task.pass == Pass::kForward;
      const bool can = forward ? stage == 0 || done.contains({stage - 1, task.micro_batch, false})
                               : done.contains({stage, task.micro_batch, false}) && (stage == last || done.contains({stage + 1, task.micro_batch, true}));
      if (!can) continue;
      made.emplace_back(stage, task.micro_batch, !forward);
      ++next[rank];
      kept[rank] += forward ? 1 : -1;
      most_kept[rank] = std::max(most_kept[rank], kept[rank]);
    }
    if (all_done) return tick - 1;
    if (made.empty()) return 0;
    done.insert(made.begin(), made.end());
  }
}

TEST(Pipeline, EveryScheduleEndsAndKeepsNoMoreThanItSays) {
  for (int64_t ranks = 1; ranks <= 6; ++ranks)
    for (int64_t chunks = 1; chunks <= 4; ++chunks)
      for (int64_t micro_batches = 1; micro_batches <= 17; ++micro_batches) {
        std::vector<int64_t> kept;
        EXPECT_GT(ticks(ranks, chunks, micro_batches, kept), 0) << ranks << " ranks of " << chunks << " chunks, " << micro_batches << " micro-batches";
        for (int64_t rank = 0; rank < ranks; ++rank) EXPECT_LE(kept[static_cast<size_t>(rank)], most_in_flight({ranks, chunks, rank}));
      }
}

TEST(Pipeline, EveryChunkTakesEveryMicroBatchInOrder) {
  for (int64_t chunks = 1; chunks <= 3; ++chunks) {
    std::map<std::pair<Pass, int64_t>, std::vector<int64_t>> seen;
    for (const auto& task : pipeline_tasks({3, chunks, 1}, 7)) seen[{task.pass, task.chunk}].push_back(task.micro_batch);
    EXPECT_EQ(seen.size(), static_cast<size_t>(2 * chunks));
    for (const auto& [of, micro_batches] : seen) EXPECT_EQ(micro_batches, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6}));
  }
}

TEST(Pipeline, OneRankTakesOneMicroBatchAtATime) {
  const std::vector<PipelineTask> wanted{{Pass::kForward, 0, 0}, {Pass::kBackward, 0, 0}, {Pass::kForward, 0, 1}, {Pass::kBackward, 0, 1}};
  EXPECT_EQ(pipeline_tasks({}, 2), wanted);
  EXPECT_TRUE(pipeline_tasks({}, 0).empty());
}

/// With passes of one tick, m micro-batches on p ranks take 2 m + 2 (p - 1) ticks in 1F1B, and in v chunks the wait shrinks to 1 / v of it.
/// Source: Narayanan et al. 2021.
TEST(Pipeline, WaitsAsLongAsItsPaperSays) {
  std::vector<int64_t> kept;
  for (const int64_t ranks : {2, 4}) {
    EXPECT_EQ(ticks(ranks, 1, 16, kept), 2 * 16 + 2 * (ranks - 1));
    EXPECT_EQ(ticks(ranks, 2, 16, kept), 2 * 2 * 16 + 2 * (ranks - 1));
  }
}

TEST(Pipeline, LayersAreDealtWithNeighboursThatDifferByOneAtMost) {
  for (int64_t layers = 1; layers <= 40; ++layers)
    for (int64_t stages = 1; stages <= layers; ++stages) {
      int64_t end = 0;
      for (int64_t stage = 0; stage < stages; ++stage) {
        const auto own = stage_layers({layers}, stages, stage);
        EXPECT_EQ(own.first, end);
        EXPECT_GE(own.end - own.first, layers / stages);
        EXPECT_LE(own.end - own.first, layers / stages + 1);
        end = own.end;
      }
      EXPECT_EQ(end, layers);
    }
  EXPECT_EQ((PipelineCut{2, 2, 1}.chunk_of_layer(3, {4})), 1);
  EXPECT_EQ((PipelineCut{2, 2, 0}.chunk_of_layer(3, {4})), -1);
}

TEST(Pipeline, TheStageWithTheHeadHasFewerLayers) {
  const DealtLayers qwen2_half_billion{24, 9.2};
  EXPECT_EQ(stage_layers(qwen2_half_billion, 2, 0).end, 17);  // 17 beside 7 + 9.2; even shares were 12 beside 12 + 9.2
  EXPECT_EQ(stage_layers(qwen2_half_billion, 2, 1).first, 17);
  EXPECT_EQ(stage_layers(qwen2_half_billion, 4, 3).first, 23);  // one layer at least
  EXPECT_EQ(stage_layers({80, 0.3}, 2, 0).end, 40);
  for (const double head : {0.0, 0.5, 3.0, 100.0})
    for (int64_t layers = 1; layers <= 20; ++layers)
      for (int64_t stages = 1; stages <= layers; ++stages) {
        int64_t end = 0;
        for (int64_t stage = 0; stage < stages; ++stage) {
          const auto own = stage_layers({layers, head}, stages, stage);
          EXPECT_EQ(own.first, end);
          EXPECT_GE(own.end, own.first + 1);
          end = own.end;
        }
        EXPECT_EQ(end, layers);
      }
}

}  // namespace
}  // namespace ingot::parallel
