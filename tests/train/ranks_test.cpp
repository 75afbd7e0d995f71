// Training on several ranks, which are threads here.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <mutex>

#include "core/error.h"
#include "core/stop.h"
#include "temporary_folder.h"
#include "train/loop.h"
#include "train/step.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

constexpr int64_t kRowsPerStep = 16;

int64_t uneven_counts(uint64_t row) { return row % 5 == 0 ? 0 : static_cast<int64_t>(row % 7) * 2 + 1; }

/// What a run ends with: the parameters one after another, and its losses.
struct Outcome {
  at::Tensor values;
  std::vector<double> losses, norms;
  double evaluation = 0;
};

struct Ranks : testing::Test {
  void SetUp() override { clear_stop(); }
  void TearDown() override { clear_stop(); }

  LoopConfig config(const std::string& run, int64_t logical_shards) const {
    LoopConfig config;
    config.output_dir = folder / run, config.max_steps = 10, config.batch = {kRowsPerStep, 2};
    config.schedule.learning_rate = 1e-2, config.optimizer.weight_decay = 0.01, config.logical_shards = logical_shards;
    config.save_steps = 4, config.eval_steps = 5;
    config.matrix_rate = 1e12;
    return config;
  }

  /// Runs the loop on ranks until its end, and tells rank 0's outcome; every rank has the same parameters.
  Outcome train(int64_t num_ranks, const LoopConfig& loop, bool& same_on_all) {
    std::map<int64_t, at::Tensor> values;
    Outcome outcome;
    std::mutex mutex;
    parallel::run_ranks(num_ranks, [&](parallel::Communicator& ranks) {
      at::set_num_threads(1);
      const auto model = tiny_llama();
      const std::vector<EvaluationSet> eval{{"eval", random_rows(11, uneven_counts)}};
      const auto result = run_loop(*model, random_rows(100, uneven_counts), eval, loop, ranks);
      std::vector<at::Tensor> flat;
      for (const auto& parameter : model->parameters.parameters) flat.push_back(parameter->value.detach().flatten());
      const std::lock_guard lock(mutex);
      values[ranks.rank()] = at::cat(flat);
      if (ranks.rank() == 0 && result.last_evaluation) outcome.evaluation = result.last_evaluation->loss;
    });
    same_on_all = true;
    for (const auto& [rank, value] : values) same_on_all = same_on_all && value.equal(values[0]);
    outcome.values = values[0];
    for (const auto& line : lines_of(loop.output_dir / "metrics.jsonl"))
      if (line.contains("grad_norm")) outcome.losses.push_back(line["loss"]), outcome.norms.push_back(line["grad_norm"]);
    return outcome;
  }

  Outcome train(int64_t num_ranks, const LoopConfig& loop) {
    bool same_on_all = false;
    const auto outcome = train(num_ranks, loop, same_on_all);
    EXPECT_TRUE(same_on_all) << num_ranks << " ranks";
    return outcome;
  }

  static std::vector<Json> lines_of(const std::filesystem::path& file) {
    std::vector<Json> found;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) found.push_back(Json::parse(line));
    return found;
  }

  TemporaryFolder folder;
};

TEST_F(Ranks, InReproducibleModeTheNumberOfRanksChangesNoBit) {
  const auto alone = train(1, config("alone", 8));
  for (const int64_t num_ranks : {2, 4, 8}) {
    const auto found = train(num_ranks, config(fmt::format("ranks_{}", num_ranks), 8));
    EXPECT_TRUE(found.values.equal(alone.values)) << num_ranks << " ranks";
    EXPECT_EQ(found.losses, alone.losses);
    EXPECT_EQ(found.norms, alone.norms);
    EXPECT_EQ(found.evaluation, alone.evaluation);
  }
}

TEST_F(Ranks, WithoutItTheOrderOfTheSumShows) {
  const auto alone = train(1, config("alone", 0)), two = train(2, config("two", 0)), four = train(4, config("four", 0));
  EXPECT_FALSE(two.values.equal(alone.values));
  for (const auto& found : {two, four}) EXPECT_LT((found.values - alone.values).abs().max().item<double>(), 1e-4);
  EXPECT_EQ(two.losses[0], alone.losses[0]);
}

/// Stops a run on 4 ranks in its step 7, when rank 2 reads.
void stop_in_step_seven(const LoopConfig& loop) {
  parallel::run_ranks(4, [&](parallel::Communicator& ranks) {
    at::set_num_threads(1);
    const auto model = tiny_llama();
    auto rows = random_rows(100, uneven_counts);
    const auto batch = rows.batch;
    rows.batch = [&, batch](std::span<const uint64_t> samples) {
      if (ranks.rank() == 2 && samples[0] >= 6 * kRowsPerStep) request_stop(SIGTERM);
      return batch(samples);
    };
    const auto result = run_loop(*model, rows, {}, loop, ranks);
    EXPECT_TRUE(result.stopped);
    EXPECT_EQ(result.step, 6);
  });
  clear_stop();
}

TEST_F(Ranks, AStopOfOneRankStopsAllAtOneStepAndAnotherNumberGoesOn) {
  const auto whole = train(1, config("whole", 8));
  const auto stopped = config("stopped", 8);
  stop_in_step_seven(stopped);
  EXPECT_TRUE(train(2, stopped).values.equal(whole.values));
}

TEST_F(Ranks, AStopLeavesNothingUnderWayWithoutATreeEither) {
  for (const int zero : {0, 1, 2}) {
    auto loop = config(fmt::format("whole_{}", zero), 0);
    loop.optimizer.is_sharded = zero > 0, loop.optimizer.shards_gradients = zero > 1, loop.optimizer.bucket_bytes = 4096;
    const auto whole = train(4, loop);
    loop.output_dir = folder / fmt::format("stopped_{}", zero);
    stop_in_step_seven(loop);
    EXPECT_TRUE(train(4, loop).values.equal(whole.values)) << "ZeRO " << zero;
  }
}

TEST_F(Ranks, OneOfAnotherConfigurationIsRefusedByTheFieldsThatDiffer) {
  std::string message;
  const auto body = [&](parallel::Communicator& ranks) {
    auto loop = config("run", 8);
    if (ranks.rank() == 1) loop.max_steps = 11, loop.seed = 7;
    const auto model = tiny_llama();
    try {
      run_loop(*model, random_rows(100), {}, loop, ranks);
    } catch (const ConfigError& error) {
      message = error.what();
      throw;
    }
  };
  EXPECT_THROW(parallel::run_ranks(2, body), ConfigError);
  EXPECT_EQ(message, "rank 1 is not of the same run as rank 0: 2 problems\n  seed: found 7, rank 0 has 42\n  max_steps: found 11, rank 0 has 10");
}

TEST(MicroBatches, EveryOneIsInOneShard) {
  for (const int64_t count : {1, 2, 7, 8, 100})
    for (const int64_t shards : {1, 2, 8}) {
      int64_t next = 0;
      for (int64_t shard = 0; shard < shards; ++shard) {
        const auto [first, end] = micro_batches_of(shard, shards, count);
        EXPECT_EQ(first, next);
        EXPECT_LE(end - first, count / shards + 1);
        next = end;
      }
      EXPECT_EQ(next, count);
    }
}

}  // namespace
}  // namespace ingot::train
