#include "workflows/plan_train.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/progress.h"
#include "launch/rank_variables.h"
#include "train/loop_config.h"
#include "train/plan/layout_rules.h"
#include "workflows/plan_report.h"
#include "workflows/run_shape.h"

namespace ingot::workflows {
namespace {

std::string shown(int64_t bytes) { return format_count(static_cast<double>(bytes), "B"); }

/// Ranks of the job, and those of them that are known to share this machine.
struct RankCount { int64_t all = 1, here = 1; };
RankCount count_ranks() {
  const auto variables = launch::process_environment();
  const auto found = launch::find_rank_variables(variables);
  if (!found || !found->is_rank) return {};
  if (found->ranks_per_node) return {found->size, *found->ranks_per_node};
  const auto by_slurm = variables("SLURM_NTASKS_PER_NODE");
  return {found->size, by_slurm ? std::max(1, std::atoi(by_slurm->c_str())) : 1};
}

std::string ranks_words(const RankCount& ranks) { return ranks.here > 1 ? fmt::format(" for each of {} ranks", ranks.here) : ""; }

/// As the logical ranks have it: they are what is cut.
void check_layout_keys(const config::TrainConfig& config, train::RunShape shape, const train::Planner& planner) {
  shape.layout.tp = train::num_tensor_shards(config), shape.layout.cp = train::num_context_shards(config);
  Problems problems;
  train::check_layout(problems, shape, planner.parameters(), train::kLayoutKeys);
  problems.throw_if_any(config.source.string());
}

/// The change that a user of this version can make.
std::string advice(train::Planner& planner, const train::RunShape& shape, int64_t memory) {
  const auto change = train::cheapest_change(planner, shape, {.recompute = true}, memory);
  if (change.to) return fmt::format("{} would fit: {}", change.words, shown(change.to->rank.total() + train::kProgramBytes));
  return shape.tuning.lora ? "a smaller model or cutoff_len needs less" : "finetuning_type: lora, a smaller model or cutoff_len needs less";
}

/// Where the ranks of this machine are to find their memory.
void expect_room(train::Planner& planner, const train::Estimate& estimate, const RankCount& ranks, bool force, const std::string& source) {
  const Memory memory = machine_memory();
  const int64_t need = (estimate.rank.total() + train::kProgramBytes) * ranks.here;
  const auto total = static_cast<int64_t>(memory.total), available = static_cast<int64_t>(memory.available);
  if (need > total) {
    const std::string wanted = memory_words(estimate.rank, train::kProgramBytes) + ranks_words(ranks);
    const std::string problem = fmt::format("{}: memory: found {}, wanted {}; {}", source, shown(total), wanted,
                                            advice(planner, estimate.shape, total / ranks.here - train::kProgramBytes));
    if (!force) throw ConfigError(problem + "; --force goes on all the same");
    log_warning(problem);
  } else if (need > available) {
    log_warning(fmt::format("memory: {} of {} are available now, the run wants {}", shown(available), shown(total), shown(need)));
  }
}

}  // namespace

RunValues plan_train(const config::TrainConfig& config, const model::DecoderConfig& model, const hub::Compute& compute, bool force) {
  const RankCount ranks = count_ranks();
  const bool is_bf16 = compute.type == at::kBFloat16;
  const auto shape = run_shape(config, model, is_bf16, ranks.all);
  train::Planner planner(model, shape.tuning, cpu_hardware(is_bf16, shape.layout.num_ranks()));
  check_layout_keys(config, shape, planner);
  const auto estimate = planner.estimate(shape);
  const std::string words = memory_words(estimate.rank, train::kProgramBytes);
  log_info(fmt::format("plan: {}, {} micro-batches of {} x {} tokens a step{}; a rank takes {}", layout_words(shape), shape.micro_batches(),
                       shape.micro_batch, shape.seq_length, ranks.all > 1 ? " and rank" : "", words));
  note_memory_need(fmt::format("this run holds {}{} in its fullest moment, which a smaller micro_batch_size or cutoff_len, or recompute: full, "
                               "makes less", words, ranks_words(ranks)));
  if (compute.device == "cpu") expect_room(planner, estimate, ranks, force, config.source.string());
  return {train::num_values(planner.parameters()), train::num_trained(planner.parameters())};
}

}  // namespace ingot::workflows
