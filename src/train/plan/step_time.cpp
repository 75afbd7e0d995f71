#include "train/plan/step_time.h"

#include <algorithm>

#include "train/disk_need.h"

namespace ingot::train {
namespace {

/// Ranks are counted along tp, cp, dp, pp (parallel/layout.h): an axis stays in a node when all ranks up to its end do.
double rate_within(const Hardware& hardware, int64_t ranks) { return ranks <= hardware.devices_per_node ? hardware.link : hardware.network; }

int64_t ranks_to_dp(const RunShape& shape) { return shape.layout.tp * shape.layout.cp * shape.layout.dp; }

Spent pass_seconds(const RunShape& shape, const PassLoad& pass, const Hardware& hardware) {
  const auto& layout = shape.layout;
  const auto& sent = pass.traffic;
  return {.compute = pass.flops / hardware.flops + pass.layers * hardware.layer,
          .exchange = sent.tensor / rate_within(hardware, layout.tp) + sent.context / rate_within(hardware, layout.tp * layout.cp) +
                      sent.expert / rate_within(hardware, layout.tp * layout.cp * layout.ep) + sent.data / rate_within(hardware, ranks_to_dp(shape)) +
                      pass.messages * hardware.latency};
}

/// A micro-batch's gradients are read and added to float32 sums; where there is one, nothing is added.
double sum_seconds(const RunShape& shape, const StageLoad& load, const Hardware& hardware) {
  if (shape.micro_batches() <= 1) return 0;
  return (load.trained + load.trained_experts) * static_cast<double>(shape.value_bytes + 2 * kFloatBytes) / hardware.memory_rate;
}

/// AdamW reads a value's gradient, for the norm once more, and reads and writes two moments and the value, or a bf16 one's master; that one it
/// writes too.
double update_seconds(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank, const Hardware& hardware) {
  const double bytes = 8 * kFloatBytes + (shape.value_bytes == kFloatBytes ? 0.0 : static_cast<double>(shape.value_bytes));
  const double sharing = shape.zero_stage > 0 ? static_cast<double>(shape.layout.dp) : 1;
  double values = 0;
  for (const auto& load : loads_of_rank(shape, loads, rank)) values += load.trained + load.trained_experts;
  return values / sharing * bytes / hardware.memory_rate;
}

PipelineLoad pipeline_load(const RunShape& shape, const std::vector<StageLoad>& loads, const Hardware& hardware) {
  const auto& layout = shape.layout;
  PipelineLoad pipeline{.ranks = layout.pp, .chunks = layout.virtual_stages, .micro_batches = std::max<int64_t>(1, shape.micro_batches()),
                        .alike = static_cast<double>(ranks_to_dp(shape)), .at_once = hardware.at_once};
  for (const auto& load : loads) {
    pipeline.stages.push_back({pass_seconds(shape, load.forward, hardware), pass_seconds(shape, load.backward, hardware)});
    pipeline.stages.back().backward.memory = sum_seconds(shape, load, hardware);
  }
  if (layout.pp == 1) return pipeline;
  pipeline.message = loads.front().forward.traffic.pipeline / rate_within(hardware, layout.num_ranks());
  pipeline.latency = hardware.latency;
  return pipeline;
}

/// Behind the passes all ranks meet, sum gradients, meet again for their norm, and update.
std::vector<RankClock> step_clocks(const RunShape& shape, const std::vector<StageLoad>& loads, const Hardware& hardware) {
  const auto pipeline = pipeline_load(shape, loads, hardware);
  const auto exchange = [&](const DataExchange& data) { return data.bytes / rate_within(hardware, ranks_to_dp(shape)) + data.messages * hardware.latency; };
  std::vector<Spent> sums, updates;
  for (int64_t rank = 0; rank < shape.layout.pp; ++rank) {
    sums.push_back({.exchange = exchange(gradient_sums(shape, loads, rank))});
    updates.push_back({.exchange = exchange(weight_gathers(shape, loads, rank)), .memory = update_seconds(shape, loads, rank, hardware)});
  }
  auto clocks = pipeline_clocks(pipeline);
  for (const auto* phase : {&sums, &updates}) {
    const auto more = joint_clocks(*phase, pipeline.alike, pipeline.at_once);
    for (size_t rank = 0; rank < clocks.size(); ++rank) clocks[rank].spent.add(more[rank].spent), clocks[rank].waiting += more[rank].waiting;
  }
  return clocks;
}

}  // namespace

StepTime step_time(const RunShape& shape, const std::vector<StageLoad>& loads, double needed_flops, const Hardware& hardware) {
  StepTime time{.ranks = step_clocks(shape, loads, hardware)};
  time.seconds = time.ranks.front().total();
  const auto ranks = static_cast<double>(time.ranks.size()), all = static_cast<double>(shape.layout.num_ranks());
  for (const auto& [spent, waiting] : time.ranks) {
    time.compute += spent.compute / ranks, time.exchange += spent.exchange / ranks, time.memory += spent.memory / ranks;
    time.bubble += waiting / time.seconds / ranks;
  }
  time.tokens_per_second = static_cast<double>(shape.step_tokens()) / time.seconds;
  time.rate_share = needed_flops / (time.seconds * (hardware.at_once > 0 ? std::min(all, hardware.at_once) : all) * hardware.flops);
  return time;
}

CheckpointNeed checkpoint_need(const RunShape& shape, const std::vector<PlannedParameter>& parameters, const Hardware& hardware) {
  const auto need = disk_need({.trainable = static_cast<uint64_t>(num_trained(parameters)), .value_bytes = static_cast<uint64_t>(shape.value_bytes)});
  return {static_cast<int64_t>(need.checkpoint), static_cast<double>(need.checkpoint) / hardware.disk};
}

}  // namespace ingot::train
