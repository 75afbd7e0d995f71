#include "train/loop.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "checkpoint/run_checkpoint.h"
#include "core/error.h"
#include "core/stop.h"
#include "temporary_folder.h"
#include "train/tiny_llama.h"
#include "version_one_checkpoint.h"

namespace ingot::train {
namespace {

constexpr int64_t kSteps = 12, kGlobalBatch = 4;

int64_t by_fives(uint64_t row) { return static_cast<int64_t>(row % 5) * 4; }

struct Crash : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The rows of random_rows; before the rows of `step` are given, `act` is called.
DataSource acting_at(int64_t step, std::function<void()> act) {
  auto rows = random_rows(40, by_fives);
  return {rows.num_samples, [=, batch = rows.batch](std::span<const uint64_t> samples) {
            if (samples[0] == static_cast<uint64_t>((step - 1) * kGlobalBatch)) act();
            return batch(samples);
          }};
}

struct Loop : testing::Test {
  void SetUp() override { clear_stop(); }
  void TearDown() override { clear_stop(); }

  LoopConfig config(const std::string& run) const {
    LoopConfig config;
    config.output_dir = folder / run, config.max_steps = kSteps, config.batch = {kGlobalBatch, 2};
    config.schedule.learning_rate = 1e-3, config.schedule.warmup_steps = 3;
    config.optimizer.weight_decay = 0.01, config.save_steps = 3;
    return config;
  }

  /// Objects of metrics.jsonl that have the key.
  std::vector<Json> lines(const std::string& run, const std::string& key) const {
    std::vector<Json> found;
    std::ifstream in(folder / run / "metrics.jsonl");
    for (std::string line; std::getline(in, line);)
      if (Json object = Json::parse(line); object.contains(key)) found.push_back(std::move(object));
    return found;
  }

  std::vector<std::pair<int64_t, double>> losses(const std::string& run) const {
    std::vector<std::pair<int64_t, double>> found;
    for (const auto& line : lines(run, "loss")) found.emplace_back(line["step"], line["loss"]);
    return found;
  }

  /// Trains without interruption and gives the weights.
  std::vector<at::Tensor> straight(at::ScalarType dtype) const {
    const auto model = stories_or_tiny(dtype);
    EXPECT_FALSE(run_loop(*model, random_rows(40, by_fives), {}, config("straight")).stopped);
    return copy_weights(*model);
  }

  /// Goes on with a model fresh from its start values.
  std::vector<at::Tensor> finish(at::ScalarType dtype, const std::string& run) const {
    const auto model = stories_or_tiny(dtype);
    EXPECT_EQ(run_loop(*model, random_rows(40, by_fives), {}, config(run)).step, kSteps);
    return copy_weights(*model);
  }

  TemporaryFolder folder;
};

struct LoopOf : Loop, testing::WithParamInterface<at::ScalarType> {};

TEST_P(LoopOf, EndsWithTheSameBitsAfterAStop) {
  const auto wanted = straight(GetParam());
  const auto model = stories_or_tiny(GetParam());
  const auto result = run_loop(*model, acting_at(5, [] { request_stop(SIGTERM); }), {}, config("stopped"));
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.step, 4);
  clear_stop();
  EXPECT_TRUE(same_bits(finish(GetParam(), "stopped"), wanted));
  EXPECT_EQ(losses("stopped"), losses("straight"));
  EXPECT_EQ(losses("straight").size(), static_cast<size_t>(kSteps));
}

TEST_P(LoopOf, EndsWithTheSameBitsAfterAStopBetweenTwoMicroBatches) {
  const auto wanted = straight(GetParam());
  const auto model = stories_or_tiny(GetParam());
  const auto stop_in_backward = [&] {
    model->parameters.parameters.front()->value.register_hook([](const at::Tensor& gradient) {
      if (!stop_requested()) request_stop(SIGTERM);
      return gradient;
    });
  };
  const auto result = run_loop(*model, acting_at(6, stop_in_backward), {}, config("stopped"));
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.step, 5);
  clear_stop();
  EXPECT_TRUE(same_bits(finish(GetParam(), "stopped"), wanted));
  EXPECT_EQ(losses("stopped"), losses("straight"));
}

TEST_P(LoopOf, EndsWithTheSameBitsAfterACrashBehindASave) {
  const auto wanted = straight(GetParam());
  const auto model = stories_or_tiny(GetParam());
  EXPECT_THROW(run_loop(*model, acting_at(9, [] { throw Crash("power cut"); }), {}, config("crashed")), Crash);
  EXPECT_EQ(losses("crashed").size(), 8u);
  EXPECT_TRUE(same_bits(finish(GetParam(), "crashed"), wanted));
  EXPECT_EQ(losses("crashed"), losses("straight"));
}

TEST_P(LoopOf, EndsWithTheSameBitsFromACheckpointOfVersionOne) {
  const auto wanted = straight(GetParam());
  const auto model = stories_or_tiny(GetParam());
  run_loop(*model, acting_at(5, [] { request_stop(SIGTERM); }), {}, config("stopped"));
  clear_stop();
  const auto folder_of_all = folder / "stopped" / "checkpoints";
  const auto loaded = checkpoint::load_newest_checkpoint(folder_of_all).value();
  std::vector<checkpoint::RunTensor> tensors;
  for (const auto& tensor : loaded.store.tensors()) tensors.emplace_back(tensor.name, loaded.store.read(tensor.name));
  std::filesystem::remove_all(folder_of_all);
  write_version_one(folder_of_all / "iter_0000004", 4, loaded.store.state(), tensors);
  EXPECT_TRUE(same_bits(finish(GetParam(), "stopped"), wanted));
  EXPECT_EQ(losses("stopped"), losses("straight"));
}

INSTANTIATE_TEST_SUITE_P(Precision, LoopOf, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& precision) { return std::string(c10::toString(precision.param)); });

TEST_F(Loop, StartsAnewAfterACrashBeforeTheFirstSave) {
  const auto model = tiny_llama();
  EXPECT_THROW(run_loop(*model, acting_at(3, [] { throw Crash("power cut"); }), {}, config("run")), Crash);
  const auto fresh = tiny_llama();
  run_loop(*fresh, random_rows(40, by_fives), {}, config("run"));
  EXPECT_EQ(losses("run").size(), static_cast<size_t>(kSteps));
}

TEST_F(Loop, EvaluatesBeforeBetweenAndAfter) {
  const auto model = tiny_llama();
  auto with_eval = config("run");
  with_eval.eval_steps = 5;
  const auto eval = random_rows(3);
  const auto result = run_loop(*model, random_rows(40), {{"eval", eval}}, with_eval);
  std::vector<int64_t> steps;
  for (const auto& line : lines("run", "eval_loss")) steps.push_back(line["step"]);
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 5, 10, 12}));
  EXPECT_EQ(result.first_evaluation.value().tokens, 48u);
  EXPECT_EQ(result.last_evaluation.value().loss, lines("run", "eval_loss").back()["eval_loss"].get<double>());
}

TEST_F(Loop, MakesUpForAnEvaluationThatAStopCutShort) {
  auto with_eval = config("run");
  with_eval.eval_steps = 5;
  const auto eval = random_rows(3);
  run_loop(*tiny_llama(), acting_at(5, [] { request_stop(SIGINT); }), {{"eval", eval}}, with_eval);
  EXPECT_EQ(lines("run", "eval_loss").size(), 1u);
  clear_stop();
  run_loop(*tiny_llama(), random_rows(40), {{"eval", eval}}, with_eval);
  std::vector<int64_t> steps;
  for (const auto& line : lines("run", "eval_loss")) steps.push_back(line["step"]);
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 5, 10, 12}));
}

TEST_F(Loop, SavesByIntervalAtTheEndAndKeepsTheLimit) {
  auto every_five = config("run");
  every_five.save_steps = 5, every_five.save_total_limit = 2;
  run_loop(*tiny_llama(), random_rows(40), {}, every_five);
  const auto kept = checkpoint::list_checkpoints(every_five.output_dir / "checkpoints");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].step, 10);
  EXPECT_EQ(kept[1].step, 12);
  EXPECT_EQ(lines("run", "event").size(), 3u);
}

TEST_F(Loop, DoesNothingMoreForAFinishedRun) {
  const auto model = tiny_llama(), again = tiny_llama();
  const auto eval = random_rows(3);
  const auto first = run_loop(*model, random_rows(40), {{"eval", eval}}, config("run"));
  const auto second = run_loop(*again, random_rows(40), {{"eval", eval}}, config("run"));
  EXPECT_TRUE(same_bits(copy_weights(*model), copy_weights(*again)));
  EXPECT_EQ(losses("run").size(), static_cast<size_t>(kSteps));
  EXPECT_EQ(second.last_evaluation.value().loss, first.last_evaluation.value().loss);
  EXPECT_FALSE(second.last_loss.has_value());
}

TEST_F(Loop, RefusesToResumeAnotherRun) {
  run_loop(*tiny_llama(), random_rows(40), {}, config("run"));
  auto batch = config("run"), seed = config("run"), fixed = config("run");
  batch.batch.global_batch = 8, seed.seed = 43, fixed.fixed["cutoff_len"] = 128;
  for (const auto& changed : {batch, seed, fixed})
    EXPECT_THROW(run_loop(*tiny_llama(), random_rows(40), {}, changed), ConfigError);
  EXPECT_THROW(run_loop(*tiny_llama(), random_rows(41), {}, config("run")), ConfigError);
  EXPECT_THROW(run_loop(*tiny_llama(at::kBFloat16), random_rows(40), {}, config("run")), ConfigError);
}

TEST_F(Loop, GoesOnWithMoreStepsAndAnotherRate) {
  run_loop(*tiny_llama(), random_rows(40), {}, config("run"));
  auto longer = config("run");
  longer.max_steps = 15, longer.schedule.learning_rate = 5e-4, longer.batch.micro_batch = 4;
  EXPECT_EQ(run_loop(*tiny_llama(), random_rows(40), {}, longer).step, 15);
  EXPECT_EQ(losses("run").size(), 15u);
}

TEST_F(Loop, EndsWithAShortBatchWhoseLabelsWeighAlike) {
  const uint64_t rows = 10;
  auto whole = config("run");
  whole.max_steps = 3, whole.max_samples = rows, whole.schedule.warmup_steps = 0, whole.schedule.lr_scheduler_type = "constant";
  std::vector<size_t> widths;
  const auto source = random_rows(rows, by_fives);
  const DataSource noting{rows, [&](std::span<const uint64_t> samples) {
                            widths.push_back(samples.size());
                            return source.batch(samples);
                          }};
  run_loop(*tiny_llama(), noting, {}, whole);
  EXPECT_EQ(widths, (std::vector<size_t>{2, 2, 2, 2, 2}));
  const auto steps = lines("run", "loss");
  EXPECT_EQ(steps.at(2)["consumed_samples"], rows);
  EXPECT_EQ(steps.at(2)["global_batch_size"], 2);
  EXPECT_EQ(steps.at(2)["epoch"], 1.0);

  // The loss of the last two rows alone, by a model in the state before them.
  auto two = config("two");
  two.max_steps = 2, two.schedule = whole.schedule;
  const auto model = tiny_llama();
  run_loop(*model, source, {}, two);
  const DataSource tail{2, [&](std::span<const uint64_t>) { return source.batch(std::vector<uint64_t>{8, 9}); }};
  EXPECT_NEAR(steps.at(2)["loss"].get<double>(), evaluate(*model, tail, {.micro_batch = 2}).value().loss, 1e-6);
}

/// The run's consumed samples, step by step, and the last step's count of steps.
std::pair<std::vector<int64_t>, int64_t> consumed(const std::vector<Json>& steps) {
  std::vector<int64_t> samples;
  for (const auto& step : steps) samples.push_back(step["consumed_samples"]);
  return {samples, steps.back()["total_steps"]};
}

TEST_F(Loop, LeavesOutNoRowOfMoreEpochsBehindAShortBatch) {
  const auto rows = random_rows(6);
  auto epochs = config("run");
  const auto run = [&](uint64_t samples, int64_t steps) {
    epochs.max_samples = samples, epochs.max_steps = steps;
    return run_loop(*tiny_llama(), rows, {}, epochs);
  };
  epochs.schedule.warmup_steps = 0, epochs.save_steps = 1;
  run(6, 2);
  EXPECT_EQ(run(12, 3).step, 4);
  EXPECT_EQ(consumed(lines("run", "loss")), std::pair(std::vector<int64_t>({4, 6, 10, 12}), int64_t{4}));
  EXPECT_EQ(run(12, 3).step, 4);  // it is at its end
  EXPECT_EQ(run(6, 2).step, 4);   // and beyond that of fewer epochs
  EXPECT_EQ(run(13, 4).step, 5);
  epochs.max_samples = {}, epochs.max_steps = 6;  // steps that were asked for are those, and whole
  run_loop(*tiny_llama(), rows, {}, epochs);
  EXPECT_EQ(consumed(lines("run", "loss")), std::pair(std::vector<int64_t>({4, 6, 10, 12, 13, 17}), int64_t{6}));
}

TEST_F(Loop, RefusesToOverwriteWhenItMayNotResume) {
  run_loop(*tiny_llama(), random_rows(40), {}, config("run"));
  auto fresh = config("run");
  fresh.resume = false;
  EXPECT_THROW(run_loop(*tiny_llama(), random_rows(40), {}, fresh), ConfigError);
}

TEST_F(Loop, StopsBeforeTheFirstStepWithoutASave) {
  const auto model = tiny_llama();
  request_stop(SIGTERM);
  const auto result = run_loop(*model, random_rows(40), {}, config("run"));
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.step, 0);
  EXPECT_TRUE(checkpoint::list_checkpoints(folder / "run" / "checkpoints").empty());
}

TEST_F(Loop, PrintsALineEveryLoggingStepsAndAtTheEnd) {
  auto quieter = config("run");
  quieter.logging_steps = 5;
  testing::internal::CaptureStdout();
  run_loop(*tiny_llama(), random_rows(40), {}, quieter);
  const std::string out = testing::internal::GetCapturedStdout();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3);
  for (const char* step : {"iteration        5/", "iteration       10/", "iteration       12/"})
    EXPECT_NE(out.find(step), out.npos) << out;
  EXPECT_EQ(losses("run").size(), static_cast<size_t>(kSteps));
}

/// The losses in Megatron lines.
std::vector<double> printed_losses(const std::string& out) {
  std::vector<double> found;
  for (size_t at = 0; (at = out.find("lm loss: ", at)) != out.npos; ++at) found.push_back(std::stod(out.substr(at + 9)));
  return found;
}

TEST_F(Loop, PrintsTheMeanLossOfTheStepsSinceTheLineBefore) {
  auto five = config("run");
  five.logging_steps = 5;
  testing::internal::CaptureStdout();
  run_loop(*tiny_llama(), random_rows(40), {}, five);
  const auto printed = printed_losses(testing::internal::GetCapturedStdout());
  std::vector<double> means(3, 0);
  for (const auto& [step, loss] : losses("run")) means[static_cast<size_t>((step - 1) / 5)] += loss / (step > 10 ? 2 : 5);
  ASSERT_EQ(printed.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(printed[i], means[i], 1e-5 * means[i]);
}

TEST_F(Loop, BeginsTheMeanOfTheIntervalWhereItResumed) {
  auto six = config("run");
  six.logging_steps = 6;
  run_loop(*tiny_llama(), acting_at(5, [] { request_stop(SIGTERM); }), {}, six);
  clear_stop();
  testing::internal::CaptureStdout();
  run_loop(*tiny_llama(), random_rows(40), {}, six);
  const auto printed = printed_losses(testing::internal::GetCapturedStdout());
  ASSERT_EQ(printed.size(), 2u);
  double sum = 0;
  for (const auto& [step, loss] : losses("run")) sum += step == 5 || step == 6 ? loss : 0;
  EXPECT_NEAR(printed[0], sum / 2, 1e-5 * sum);
}

TEST_F(Loop, FollowsTheSchedule) {
  run_loop(*tiny_llama(), random_rows(40), {}, config("run"));
  ScheduleConfig schedule = config("run").schedule;
  schedule.total_steps = kSteps;
  for (const auto& line : lines("run", "loss"))
    EXPECT_EQ(line["learning_rate"].get<double>(), learning_rate_at(schedule, line["step"].get<int64_t>() - 1));
}

TEST_F(Loop, ReportsEveryProblemOfItsConfig) {
  auto broken = config("run");
  broken.batch.micro_batch = 3, broken.logging_steps = 0, broken.save_steps = -1, broken.optimizer.adam_beta1 = 2;
  try {
    run_loop(*tiny_llama(), random_rows(40), {}, broken);
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    for (const char* field : {"global_batch_size", "logging_steps", "save_steps", "adam_beta1"})
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ingot::train
