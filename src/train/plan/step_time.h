#pragma once

#include <cstdint>
#include <vector>

#include "train/plan/planned_parameters.h"
#include "train/plan/run_shape.h"

namespace ingot::train {

/// What a plan's seconds are made from. The defaults are of a node of eight Ascend 910B: matrix products reach 200 TFLOP/s of bf16
/// (the throughput that MindSpeed-LLM publishes for 7B to 72B is 155 to 205), HCCS and one 200 Gbit/s port a device.
struct Hardware {
  double flops = 200e12;          // a device
  double link = 150e9;            // bytes/s of a device to others of its node
  double network = 25e9;          // bytes/s of a device to other nodes
  double disk = 2e9;              // bytes/s of the storage of checkpoints, for all ranks together
  int64_t devices_per_node = 8;
};

/// Bytes that a rank sends in a step, by the axis whose ranks exchange them.
struct StepTraffic {
  double tensor = 0, context = 0, pipeline = 0, expert = 0, data = 0;
  double total() const { return tensor + context + pipeline + expert + data; }
};

/// Of the rank that sends most of them: sums of layers are those of the longest stage.
StepTraffic step_traffic(const RunShape& shape, const PartCounts& counts);

/// Floating point operations of a step over all ranks: train/flops.h with what is computed again.
double step_flops(const RunShape& shape, const std::vector<PlannedParameter>& parameters);

struct StepTime {
  double compute = 0, exchange = 0;  // seconds; nothing overlaps
  double bubble = 0;                 // share of the step in which a pipeline rank waits for others
  double seconds = 0;
  double tokens_per_second = 0;      // over all ranks
};

StepTime step_time(const RunShape& shape, const StepTraffic& traffic, double flops, const Hardware& hardware);

/// Of a checkpoint: trained weights and the optimizer's state, once.
struct CheckpointNeed {
  int64_t bytes = 0;
  double seconds = 0;
};
CheckpointNeed checkpoint_need(const RunShape& shape, const std::vector<PlannedParameter>& parameters, const Hardware& hardware);

}  // namespace ingot::train
