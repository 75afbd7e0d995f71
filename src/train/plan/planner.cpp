#include "train/plan/planner.h"

#include <algorithm>

#include "train/plan/layout_rules.h"

namespace ingot::train {

Planner::Planner(const model::DecoderConfig& model, const Tuning& tuning, const Hardware& hardware)
    : model_(model), hardware_(hardware), parameters_(planned_parameters(model, tuning)), tunings_(layer_tunings(parameters_, model)) {}

const PartCounts& Planner::counts(const RunShape& shape) {
  const std::pair key{shape.layout.tp, shape.layout.ep};
  const auto found = counts_.find(key);
  return found != counts_.end() ? found->second : counts_.emplace(key, part_counts(parameters_, model_, key.first, key.second)).first->second;
}

RankMemory Planner::memory(const RunShape& shape, int64_t stage) { return rank_memory(shape, tunings_, counts(shape), stage); }

bool Planner::is_possible(const RunShape& shape) const { return train::is_possible(shape, parameters_); }

Estimate Planner::estimate(const RunShape& shape) {
  auto found = memory_estimate(shape);
  add_time(found);
  return found;
}

Estimate Planner::memory_estimate(const RunShape& shape) {
  Estimate found{.shape = shape, .rank = memory(shape, 0)};
  for (int64_t stage = 1; stage < shape.layout.pp; ++stage)
    if (const auto other = memory(shape, stage); other.total() > found.rank.total()) found.rank = other, found.stage = stage;
  return found;
}

void Planner::add_time(Estimate& found) {
  const RunShape& shape = found.shape;
  const auto work = model_work(shape, parameters_);
  const auto loads = stage_loads(shape, counts(shape), work);
  RunShape kept = shape;
  kept.recompute = model::Recompute::kNone;
  found.flops = step_flops(shape, work);
  found.traffic = step_traffic(shape, loads);
  found.time = step_time(shape, loads, step_flops(kept, model_work(kept, parameters_)), hardware_);
}

}  // namespace ingot::train
