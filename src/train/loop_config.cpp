#include "train/loop_config.h"

#include <algorithm>
#include <cmath>

namespace ingot::train {
namespace {

constexpr int64_t kNoEnd = int64_t{1} << 62;

/// At least one step is left behind a warm-up that is a share of all.
int64_t warmup_steps(const config::TrainConfig& config, int64_t max_steps) {
  if (config.warmup_steps > 0) return config.warmup_steps;
  const auto share = static_cast<int64_t>(std::ceil(config.warmup_ratio * static_cast<double>(max_steps)));
  return std::min(share, max_steps - 1);
}

void set_length(const config::TrainConfig& config, std::optional<uint64_t> num_rows, LoopConfig& loop) {
  loop.max_steps = config.max_steps > 0 ? config.max_steps : kNoEnd;
  if (config.max_steps > 0 || !num_rows) return;
  loop.max_samples = samples_of_epochs(config.num_train_epochs, *num_rows);
  loop.max_steps = steps_of_samples(*loop.max_samples, config.global_batch_size);
}

}  // namespace

OptimizerConfig LoopConfig::optimizer_of_run() const {
  OptimizerConfig of_run = optimizer;
  of_run.sums_in_tree = logical_shards > 0;
  return of_run;
}

void LoopConfig::check(Problems& problems) const {
  batch.check(problems);
  ScheduleConfig whole = schedule;
  whole.total_steps = max_steps;
  whole.check(problems);
  optimizer.check(problems);
  problems.expect(save_steps >= 0, "save_steps", save_steps, "0 (only at the end) or more");
  problems.expect(save_total_limit >= 0, "save_total_limit", save_total_limit, "0 (all) or more");
  problems.expect(eval_steps >= 0, "eval_steps", eval_steps, "0 (only before and after) or more");
  problems.expect(eval_batches >= 0, "eval_batches", eval_batches, "0 (all) or more");
  problems.expect(logging_steps >= 1, "logging_steps", logging_steps, "1 or more");
}

int64_t num_tensor_shards(const config::TrainConfig& config) {
  return config.reproducible && config.logical_tensor_shards > 0 ? config.logical_tensor_shards : config.tensor_model_parallel_size;
}

int64_t num_context_shards(const config::TrainConfig& config) {
  return config.reproducible && config.logical_context_shards > 0 ? config.logical_context_shards : config.context_parallel_size;
}

LoopConfig make_loop_config(const config::TrainConfig& config, std::optional<uint64_t> num_rows) {
  LoopConfig loop;
  loop.output_dir = config.output_dir;
  loop.batch = {config.global_batch_size, config.micro_batch_size};
  set_length(config, num_rows, loop);
  loop.schedule = {config.lr_scheduler_type, config.learning_rate, config.min_lr, warmup_steps(config, loop.max_steps),
                   loop.max_steps, config.lr_wsd_decay_steps};
  loop.optimizer = {config.adam_beta1, config.adam_beta2, config.adam_epsilon, config.weight_decay, config.max_grad_norm};
  loop.seed = config.seed;
  loop.logical_shards = config.reproducible ? config.logical_shards : 0;
  loop.optimizer.is_sharded = config.zero_stage > 0;
  loop.optimizer.shards_gradients = config.zero_stage > 1 && !config.reproducible;
  loop.tensor_shards = num_tensor_shards(config);
  loop.context_shards = num_context_shards(config);
  loop.save_steps = config.save_steps;
  loop.save_total_limit = config.save_total_limit;
  loop.eval_steps = config.eval_steps;
  loop.logging_steps = config.logging_steps;
  return loop;
}

}  // namespace ingot::train
