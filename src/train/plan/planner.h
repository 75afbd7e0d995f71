#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/plan/layer_sizes.h"
#include "train/plan/planned_parameters.h"
#include "train/plan/rank_memory.h"
#include "train/plan/run_shape.h"
#include "train/plan/step_time.h"

namespace ingot::train {

/// What a run of some shape takes.
struct Estimate {
  RunShape shape;
  RankMemory rank;             // of the stage with the most
  int64_t stage = 0;
  double flops = 0;            // of a step over all ranks, with what is computed again
  StepTraffic traffic;
  StepTime time;
};

/// Answers what shapes of one model, trained in one way, take.
class Planner {
 public:
  /// Throws ConfigError as planned_parameters does.
  Planner(const model::DecoderConfig& model, const Tuning& tuning, const Hardware& hardware);
  const std::vector<PlannedParameter>& parameters() const { return parameters_; }
  const Hardware& hardware() const { return hardware_; }

  /// Of a layout that is possible: layout_rules.h. The two halves of it: most that are sought do not fit, and need no time.
  Estimate estimate(const RunShape& shape);
  Estimate memory_estimate(const RunShape& shape);
  void add_time(Estimate& estimate);
  RankMemory memory(const RunShape& shape, int64_t stage);
  bool is_possible(const RunShape& shape) const;

 private:
  const PartCounts& counts(const RunShape& shape);
  model::DecoderConfig model_;
  Hardware hardware_;
  std::vector<PlannedParameter> parameters_;
  std::vector<LayerTuning> tunings_;
  std::map<std::pair<int64_t, int64_t>, PartCounts> counts_;  // by tp and ep
};

/// What of a shape may be another when layouts are sought.
struct Freedom {
  bool layout = false;     // tp, pp, ep; dp is the rest of the devices
  bool zero = false, recompute = false;
};

/// The possible layouts of as many ranks that fit into `memory` bytes a rank, by their time; at most `most` of them.
/// `closest`: where none fits, the one that needs least.
struct Layouts {
  std::vector<Estimate> fitting;
  std::optional<Estimate> closest;
};
Layouts find_layouts(Planner& planner, const RunShape& shape, const Freedom& freedom, int64_t memory, size_t most);

/// The change that makes a shape fit: of what `freedom` allows, and smaller micro-batches, the fastest. Where there is none and layouts
/// are free, the fewest devices that hold it, twice as many at a time.
struct Change {
  std::string words;           // "recompute: selective, zero 1"
  std::optional<Estimate> to;  // absent: there is none
};
Change cheapest_change(Planner& planner, const RunShape& shape, const Freedom& freedom, int64_t memory);

}  // namespace ingot::train
