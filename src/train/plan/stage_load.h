#pragma once

#include <cstdint>
#include <vector>

#include "train/plan/planned_parameters.h"
#include "train/plan/run_shape.h"

namespace ingot::train {

/// A layer, or an end of the model, over all ranks that share its matrices.
struct LayerWork {
  double forward = 0, backward = 0;  // floating point operations a token; backward with what is computed again
  int64_t tensors = 0;               // that are trained
};
struct ModelWork {
  std::vector<LayerWork> layers;
  LayerWork ends[2];                 // embedding; final norm and head
};
/// Six operations a value and token, four for a frozen one, and attention: train/flops.h with what is computed again.
ModelWork model_work(const RunShape& shape, const std::vector<PlannedParameter>& parameters);

/// Floating point operations of a step over all ranks.
double step_flops(const RunShape& shape, const ModelWork& work);

/// Bytes that a rank sends, by the axis whose ranks exchange them.
struct StepTraffic {
  double tensor = 0, context = 0, pipeline = 0, expert = 0, data = 0;
  double total() const { return tensor + context + pipeline + expert + data; }
  void add(const StepTraffic& other, double times);
};

/// A pass of a micro-batch through a stage, on one rank.
struct PassLoad {
  double flops = 0;
  double layers = 0;      // that the micro-batch goes through, backward twice
  StepTraffic traffic;
  double messages = 0;    // of sums, one behind another
};

/// A stage on one rank.
struct StageLoad {
  PassLoad forward, backward;
  double trained = 0, trained_experts = 0;  // values; of experts by themselves, as fewer ranks have copies
  int64_t tensors = 0;
};
/// By stage: pp * virtual_stages.
std::vector<StageLoad> stage_loads(const RunShape& shape, const PartCounts& counts, const ModelWork& work);

/// Those of a pipeline rank's stages.
std::vector<StageLoad> loads_of_rank(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank);

/// What a rank sends once a step, for the sums of its gradients (float32) and with ZeRO for new weights: rings, of buckets.
struct DataExchange { double bytes = 0, messages = 0; };
DataExchange gradient_sums(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank);
DataExchange weight_gathers(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank);

/// Of the pipeline rank that sends most.
StepTraffic step_traffic(const RunShape& shape, const std::vector<StageLoad>& loads);

}  // namespace ingot::train
