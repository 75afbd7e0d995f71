#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "model/causal_lm.h"
#include "parallel/mesh.h"
#include "train/batch_config.h"
#include "train/data_source.h"
#include "train/disks.h"
#include "train/evaluate.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace ingot::train {

/// Rows to evaluate with, of one data set.
struct EvaluationSet {
  std::string name;
  DataSource source;
};

struct LoopConfig {
  std::filesystem::path output_dir;  // gets metrics.jsonl and checkpoints/
  int64_t max_steps = 1;             // of a run without max_samples; of others where no earlier session had another end. Is schedule.total_steps
  std::optional<uint64_t> max_samples;  // over all steps: the last one is short where they do not fill it, and they end the run; absent: max_steps does
  BatchConfig batch;
  ScheduleConfig schedule;
  OptimizerConfig optimizer;
  uint64_t seed = 42;            // recorded; a resumed run must have the same
  int64_t save_steps = 500;      // 0: only at the end and when stopped
  int64_t save_total_limit = 2;  // checkpoints kept; 0: all
  int64_t eval_steps = 0;        // 0: only before the first and after the last step
  int64_t eval_batches = 0;      // micro-batches of an evaluation; 0: all rows
  int64_t logging_steps = 1;     // steps from one line on standard output to the next; metrics.jsonl has every step
  ExactWeights exact_weights;    // where a bfloat16 model's masters start; null: at the model's own values
  std::optional<double> matrix_rate;  // FLOP/s of which a step's share is told; absent: it is measured, in a quarter of a second
  int64_t logical_shards = 0;    // see StepPlan
  int64_t tensor_shards = 1;     // into which the matrices are cut
  int64_t context_shards = 1;    // into which the tokens of a row are cut
  bool resume = true;            // from the newest good checkpoint in output_dir, when there is one
  /// More fields that a resumed run must have unchanged, as the user knows them: dataset, cutoff_len, shuffle ...
  Json fixed = Json::object();
  Json settings = Json::object();  // more that is recorded, and may change between stop and resume
  std::string eval_identity;  // of the rows to evaluate with: numbers of others are not compared with theirs
  std::function<void()> before_writing;  // called when nothing can refuse the run any more; absent: nothing is to be done
  const Disks* disks = nullptr;          // where output_dir lies; null: on one that all ranks see
  void check(Problems& problems) const;
  OptimizerConfig optimizer_of_run() const;  // with what follows from the other fields
};

struct LoopResult {
  int64_t step = 0;      // updates done over all sessions of this run
  bool stopped = false;  // by a signal; the state is saved
  std::optional<double> last_loss;  // of this session's last step
  std::optional<Evaluation> first_evaluation, last_evaluation;
};

/// Trains `model`, whose values are filled, until `max_steps`, or until core/stop.h asks to stop: then the step under
/// way is given up at its next micro-batch and the state before it is saved. It goes on from the newest good checkpoint in output_dir: the result has the bits of a
/// run that was never interrupted. `eval` is evaluated before, every eval_steps and at the end; of several sets each is
/// told, and the result is the mean over the labels of all. All ranks of the mesh train one model, of which each has its part; rank 0 alone writes metrics, each rank its part of a checkpoint.
/// Throws ConfigError when a checkpoint belongs to another run, or is there and `resume` is false.
LoopResult run_loop(model::CausalLm& model, const DataSource& train, const std::vector<EvaluationSet>& eval,
                    const LoopConfig& config, const parallel::Mesh& mesh = parallel::only_rank());

}  // namespace ingot::train
