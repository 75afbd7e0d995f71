#include "train/plan/step_time.h"

#include <algorithm>

#include "train/disk_need.h"
#include "train/plan/rank_memory.h"

namespace ingot::train {
namespace {

/// Bytes that a rank of `ranks` sends for a sum that all get, of so many bytes: ring, reduce-scatter and all-gather.
double all_reduce(double bytes, int64_t ranks) { return 2 * bytes * static_cast<double>(ranks - 1) / static_cast<double>(ranks); }
/// Half of it: the sum's parts go to one rank each, or the parts of a whole to all.
double scatter_or_gather(double bytes, int64_t ranks) { return all_reduce(bytes, ranks) / 2; }

int64_t longest_stage(const RunShape& shape) { return (shape.model.num_layers + shape.layout.pp - 1) / shape.layout.pp; }

/// Passes over a layer that exchange what a pass forward does: forward, backward, and forward again.
double exchanging_passes(const RunShape& shape) { return shape.recompute == model::Recompute::kFull ? 3 : 2; }

/// Of one rank's layers, for all its micro-batches.
double layer_passes(const RunShape& shape) { return static_cast<double>(longest_stage(shape) * shape.micro_batches()); }

double activation_bytes(const RunShape& shape) { return static_cast<double>(shape.tokens() * shape.model.hidden_size * shape.value_bytes); }

/// Two sums a pass: behind attention and behind the MLP. Source: Shoeybi et al. 2019; with sequence_parallel each is a reduce-scatter and
/// an all-gather, of the same bytes (Korthikanti et al. 2022).
double tensor_traffic(const RunShape& shape) {
  return 2 * exchanging_passes(shape) * layer_passes(shape) * all_reduce(activation_bytes(shape), shape.layout.tp);
}

/// Keys and values go round the ring once forward; backward they and their gradients do. Source: Liu et al. 2023, ring attention.
double context_traffic(const RunShape& shape) {
  const auto& model = shape.model;
  const int64_t heads = std::max<int64_t>(1, model.num_kv_heads / shape.layout.tp);
  const auto keys = static_cast<double>(2 * shape.tokens() * heads * model.head_dim * shape.value_bytes);
  return (exchanging_passes(shape) + 1) * layer_passes(shape) * keys * static_cast<double>(shape.layout.cp - 1);
}

/// A micro-batch's activations go to the next stage, their gradients to the one before, once for each chunk of layers.
double pipeline_traffic(const RunShape& shape) {
  if (shape.layout.pp == 1) return 0;
  const double share = shape.sequence_parallel ? static_cast<double>(shape.layout.tp) : 1;
  return 2 * static_cast<double>(shape.micro_batches() * shape.layout.virtual_stages) * activation_bytes(shape) / share;
}

/// Rows go to their experts and back. Source: Fedus et al. 2021.
double expert_traffic(const RunShape& shape) {
  if (shape.model.num_experts == 0) return 0;
  const double rows = activation_bytes(shape) * static_cast<double>(shape.model.experts_per_token);
  return 2 * exchanging_passes(shape) * layer_passes(shape) * scatter_or_gather(rows, shape.layout.ep);
}

/// Gradient sums in float32 once a step; with ZeRO 3 weights are gathered for every pass of every micro-batch too, with 1 and 2 once.
/// Source: Rajbhandari et al. 2019.
double data_traffic(const RunShape& shape, const PartCounts& counts) {
  PartCount part = counts.embedding;
  for (int64_t layer = 0; layer < longest_stage(shape); ++layer) part.add(counts.layers[static_cast<size_t>(layer)]);
  if (shape.layout.pp == 1) part.add(counts.final_norm), part.add(counts.head);
  const int64_t copies = shape.layout.dp * shape.layout.cp, expert_copies = std::max<int64_t>(1, copies / shape.layout.ep);
  const auto plain = static_cast<double>(part.attention.trained + part.feed_forward.trained), experts = static_cast<double>(part.experts.trained);
  const auto sums = [&](double bytes) { return scatter_or_gather(plain * bytes, copies) + scatter_or_gather(experts * bytes, expert_copies); };
  if (shape.zero_stage == 0) return 2 * sums(kFloatBytes);
  const auto value = static_cast<double>(shape.value_bytes);
  if (shape.zero_stage < 3) return sums(kFloatBytes) + sums(value);
  const auto held = static_cast<double>(part.held()) * value;
  return sums(kFloatBytes) + exchanging_passes(shape) * static_cast<double>(shape.micro_batches()) * scatter_or_gather(held, copies);
}

/// Ranks are counted along tp, cp, dp, pp (parallel/layout.h): an axis stays in a node when all ranks up to its end do.
double rate_within(const Hardware& hardware, int64_t ranks) { return ranks <= hardware.devices_per_node ? hardware.link : hardware.network; }

}  // namespace

StepTraffic step_traffic(const RunShape& shape, const PartCounts& counts) {
  return {.tensor = tensor_traffic(shape), .context = context_traffic(shape), .pipeline = pipeline_traffic(shape),
          .expert = expert_traffic(shape), .data = data_traffic(shape, counts)};
}

double step_flops(const RunShape& shape, const std::vector<PlannedParameter>& parameters) {
  const auto& model = shape.model;
  const bool again = shape.recompute == model::Recompute::kFull;
  double per_token = 0;
  for (const auto& [spec, use, trained, rank] : parameters) {
    const bool is_product = spec.shape.size() == 2 && (use != Use::kEmbedding || model.tie_word_embeddings);
    if (!is_product) continue;
    const double share = spec.expert < 0 ? 1 : static_cast<double>(model.experts_per_token) / static_cast<double>(model.num_experts);
    const double passes = 2 + (trained ? 1 : 0) + (again && spec.layer >= 0 ? 1 : 0);
    const auto whole = static_cast<double>(spec.shape[0] * spec.shape[1]), added = static_cast<double>(rank * (spec.shape[0] + spec.shape[1]));
    per_token += 2 * share * (whole * passes + added * 3);
  }
  const double pairs = static_cast<double>(shape.seq_length) / 2;  // of a query with keys, on average
  const double width = static_cast<double>(model.num_layers * model.num_heads * model.head_dim);
  per_token += 4 * width * pairs * (again ? 4 : 3);
  return per_token * static_cast<double>(shape.step_tokens());
}

StepTime step_time(const RunShape& shape, const StepTraffic& traffic, double flops, const Hardware& hardware) {
  const auto& layout = shape.layout;
  const double uneven = static_cast<double>(longest_stage(shape) * layout.pp) / static_cast<double>(shape.model.num_layers);
  StepTime time;
  time.compute = flops * uneven / static_cast<double>(layout.num_ranks()) / hardware.flops;
  const int64_t to_dp = layout.tp * layout.cp * layout.dp;
  const double by_layer = traffic.tensor / rate_within(hardware, layout.tp) + traffic.context / rate_within(hardware, layout.tp * layout.cp) +
                          traffic.expert / rate_within(hardware, layout.tp * layout.cp * layout.ep);
  const double once = traffic.data / rate_within(hardware, to_dp) + traffic.pipeline / rate_within(hardware, to_dp * layout.pp);
  time.exchange = by_layer + once;
  // Passes of a rank: micro-batches times chunks; it waits for pp - 1 of them. Source: Narayanan et al. 2021.
  const auto waits = static_cast<double>(layout.pp - 1);
  const auto passes = static_cast<double>(std::max<int64_t>(1, shape.micro_batches()) * layout.virtual_stages);
  time.bubble = waits / (waits + passes);
  time.seconds = (time.compute + by_layer) * (1 + waits / passes) + once;
  time.tokens_per_second = static_cast<double>(shape.step_tokens()) / time.seconds;
  return time;
}

CheckpointNeed checkpoint_need(const RunShape& shape, const std::vector<PlannedParameter>& parameters, const Hardware& hardware) {
  const auto need = disk_need({.trainable = static_cast<uint64_t>(num_trained(parameters)), .value_bytes = static_cast<uint64_t>(shape.value_bytes)});
  return {static_cast<int64_t>(need.checkpoint), static_cast<double>(need.checkpoint) / hardware.disk};
}

}  // namespace ingot::train
