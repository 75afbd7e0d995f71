#include "train/plan/stage_load.h"

#include <algorithm>
#include <cmath>

#include "parallel/pipeline.h"
#include "train/bucket_bytes.h"

namespace ingot::train {
namespace {

/// Bytes that a rank of `ranks` sends for a sum that all get, of so many bytes: ring, reduce-scatter and all-gather.
double all_reduce(double bytes, int64_t ranks) { return 2 * bytes * static_cast<double>(ranks - 1) / static_cast<double>(ranks); }
/// Half of it: the sum's parts go to one rank each, or the parts of a whole to all.
double scatter_or_gather(double bytes, int64_t ranks) { return all_reduce(bytes, ranks) / 2; }
double ring_messages(int64_t ranks) { return static_cast<double>(2 * (ranks - 1)); }

bool runs_again(const RunShape& shape) { return shape.recompute == model::Recompute::kFull; }

double activation_values(const RunShape& shape) { return static_cast<double>(shape.tokens() * shape.model.hidden_size); }

/// The ranks of tp gather tokens, or scatter terms of sums: values in their type. Source: Korthikanti et al. 2022.
void add_tensor_exchanges(const RunShape& shape, double exchanges, PassLoad& pass) {
  const auto bytes = activation_values(shape) * static_cast<double>(shape.value_bytes);
  pass.traffic.tensor += exchanges * scatter_or_gather(bytes, shape.layout.tp);
  pass.messages += exchanges * ring_messages(shape.layout.tp) / 2;
}

/// Keys and values go round the ring `rounds` times; backward they and their gradients do. Source: Liu et al. 2023, ring attention.
void add_ring(const RunShape& shape, double rounds, PassLoad& pass) {
  const auto& model = shape.model;
  const int64_t heads = std::max<int64_t>(1, model.num_kv_heads / shape.layout.tp);
  const auto keys = static_cast<double>(2 * shape.tokens() * heads * model.head_dim * shape.value_bytes);
  pass.traffic.context += rounds * keys * static_cast<double>(shape.layout.cp - 1);
  pass.messages += rounds * static_cast<double>(shape.layout.cp - 1);
}

/// Rows go to their experts and back. Source: Fedus et al. 2021.
void add_experts(const RunShape& shape, double passes, PassLoad& pass) {
  if (shape.model.num_experts == 0 || shape.layout.ep == 1) return;
  const double rows = activation_values(shape) * static_cast<double>(shape.value_bytes * shape.model.experts_per_token);
  pass.traffic.expert += 2 * passes * scatter_or_gather(rows, shape.layout.ep);
  pass.messages += 2 * passes;
}

/// With ZeRO 3 weights are gathered for a pass.
void add_gather(const RunShape& shape, const PartCount& part, double passes, PassLoad& pass) {
  if (shape.zero_stage < 3) return;
  pass.traffic.data += passes * scatter_or_gather(static_cast<double>(part.held() * shape.value_bytes), shape.layout.dp);
}

void add_layer(const RunShape& shape, const LayerWork& work, const PartCount& part, StageLoad& load) {
  const double share = static_cast<double>(shape.tokens()) / static_cast<double>(shape.layout.tp), passes = runs_again(shape) ? 2 : 1;
  load.forward.flops += work.forward * share, load.backward.flops += work.backward * share;
  load.forward.layers += 1, load.backward.layers += 1 + passes;
  const int inputs = (part.attention.trained > 0 ? 1 : 0) + (part.feed_forward.trained + part.experts.trained > 0 ? 1 : 0);  // gathered again
  add_tensor_exchanges(shape, 4, load.forward), add_tensor_exchanges(shape, 4 * passes + inputs, load.backward);
  add_ring(shape, 1, load.forward), add_ring(shape, 1 + passes, load.backward);
  add_experts(shape, 1, load.forward), add_experts(shape, passes, load.backward);
  add_gather(shape, part, 1, load.forward), add_gather(shape, part, 1, load.backward);
}

/// Tokens are scattered behind the embedding and gathered before the head, their gradients the other way.
void add_end(const RunShape& shape, const LayerWork& work, StageLoad& load) {
  const double share = static_cast<double>(shape.tokens()) / static_cast<double>(shape.layout.tp);
  load.forward.flops += work.forward * share, load.backward.flops += work.backward * share;
  add_tensor_exchanges(shape, 1, load.forward), add_tensor_exchanges(shape, 1, load.backward);
}

void add_values(const PartCount& part, const LayerWork& work, StageLoad& load) {
  load.trained += static_cast<double>(part.attention.trained + part.feed_forward.trained);
  load.trained_experts += static_cast<double>(part.experts.trained);
  load.tensors += work.tensors;
}

/// A micro-batch's activations go to the next stage, their gradients to the one before.
double message_bytes(const RunShape& shape) {
  return static_cast<double>(shape.share_of_tokens() * shape.model.hidden_size * shape.value_bytes);
}

StageLoad stage_load(const RunShape& shape, const PartCounts& counts, const ModelWork& work, int64_t stage) {
  const int64_t stages = shape.layout.pp * shape.layout.virtual_stages;
  StageLoad load;
  const auto [first, end] = parallel::stage_layers({shape.model.num_layers, shape.model.head_in_layers()}, stages, stage);
  for (auto layer = static_cast<size_t>(first); layer < static_cast<size_t>(end); ++layer) {
    add_layer(shape, work.layers[layer], counts.layers[layer], load);
    add_values(counts.layers[layer], work.layers[layer], load);
  }
  if (stage == 0) {
    add_end(shape, work.ends[0], load), add_values(counts.embedding, work.ends[0], load);
    add_gather(shape, counts.embedding, 1, load.forward);
  }
  if (stage == stages - 1) {
    PartCount head = counts.final_norm;
    head.add(counts.head);
    add_end(shape, work.ends[1], load), add_values(head, work.ends[1], load);
    const auto& matrix = shape.model.tie_word_embeddings ? counts.embedding : counts.head;
    add_gather(shape, matrix, 1, load.forward), add_gather(shape, matrix, 1, load.backward);
  }
  if (stage > 0) load.backward.traffic.pipeline = message_bytes(shape);
  if (stage < stages - 1) load.forward.traffic.pipeline = message_bytes(shape);
  return load;
}

/// What `copies` ranks exchange of every trained value of a rank: of experts fewer have copies.
double over_copies(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank, double bytes, int64_t copies) {
  const int64_t of_experts = std::max<int64_t>(1, copies / shape.layout.ep);
  double sent = 0;
  for (const auto& load : loads_of_rank(shape, loads, rank))
    sent += scatter_or_gather(load.trained * bytes, copies) + scatter_or_gather(load.trained_experts * bytes, of_experts);
  return sent;
}

/// Of buckets, or with a tree of one tensor after another.
double half_ring_messages(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank, double value_bytes, int64_t copies) {
  double tensors = 0, bytes = 0;
  for (const auto& load : loads_of_rank(shape, loads, rank))
    tensors += static_cast<double>(load.tensors), bytes += (load.trained + load.trained_experts) * value_bytes;
  const double calls = shape.logical_shards > 0 ? tensors : std::min(tensors, std::ceil(bytes / static_cast<double>(kBucketBytes)));
  return calls * static_cast<double>(copies - 1);
}

}  // namespace

ModelWork model_work(const RunShape& shape, const std::vector<PlannedParameter>& parameters) {
  const auto& model = shape.model;
  ModelWork work{.layers = std::vector<LayerWork>(static_cast<size_t>(model.num_layers))};
  for (const auto& [spec, use, trained, rank] : parameters) {
    const bool is_layer = spec.layer >= 0;
    auto& of = is_layer ? work.layers[static_cast<size_t>(spec.layer)] : work.ends[use == Use::kEmbedding ? 0 : 1];
    of.tensors += rank > 0 ? 2 : trained ? 1 : 0;
    if (spec.shape.size() != 2 || (use == Use::kEmbedding && !model.tie_word_embeddings)) continue;
    auto& product = is_layer ? of : work.ends[1];  // a tied embedding is the head's matrix
    const double share = spec.expert < 0 ? 1 : static_cast<double>(model.experts_per_token) / static_cast<double>(model.num_experts);
    const auto whole = static_cast<double>(spec.shape[0] * spec.shape[1]), added = static_cast<double>(rank * (spec.shape[0] + spec.shape[1]));
    product.forward += 2 * share * (whole + added);
    product.backward += 2 * share * (whole * (1 + (trained ? 1 : 0) + (is_layer && runs_again(shape) ? 1 : 0)) + 2 * added);
  }
  const double pairs = static_cast<double>(shape.seq_length) / 2;  // of a query with keys, on average
  const double attention = 4 * static_cast<double>(model.num_heads * model.head_dim) * pairs;
  for (auto& layer : work.layers) layer.forward += attention, layer.backward += attention * (runs_again(shape) ? 3 : 2);
  return work;
}

double step_flops(const RunShape& shape, const ModelWork& work) {
  double per_token = 0;
  for (const auto& layer : work.layers) per_token += layer.forward + layer.backward;
  for (const auto& end : work.ends) per_token += end.forward + end.backward;
  return per_token * static_cast<double>(shape.step_tokens());
}

void StepTraffic::add(const StepTraffic& other, double times) {
  tensor += times * other.tensor, context += times * other.context, pipeline += times * other.pipeline;
  expert += times * other.expert, data += times * other.data;
}

std::vector<StageLoad> stage_loads(const RunShape& shape, const PartCounts& counts, const ModelWork& work) {
  std::vector<StageLoad> loads;
  for (int64_t stage = 0; stage < shape.layout.pp * shape.layout.virtual_stages; ++stage) loads.push_back(stage_load(shape, counts, work, stage));
  return loads;
}

std::vector<StageLoad> loads_of_rank(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank) {
  std::vector<StageLoad> own;
  for (auto stage = static_cast<size_t>(rank); stage < loads.size(); stage += static_cast<size_t>(shape.layout.pp)) own.push_back(loads[stage]);
  return own;
}

/// With ZeRO a rank gets its share alone, with 2 and 3 of every micro-batch; but sums in a tree are whole. Source of these: Rajbhandari et al. 2019.
DataExchange gradient_sums(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank) {
  const double each = shape.zero_stage == 0 || shape.logical_shards > 0 ? 2 : 1;
  const double halves = each * (shape.shards_gradients() ? static_cast<double>(shape.micro_batches()) : 1);
  const int64_t copies = shape.layout.dp * shape.layout.cp;
  return {halves * over_copies(shape, loads, rank, kFloatBytes, copies), halves * half_ring_messages(shape, loads, rank, kFloatBytes, copies)};
}

DataExchange weight_gathers(const RunShape& shape, const std::vector<StageLoad>& loads, int64_t rank) {
  if (shape.zero_stage != 1 && shape.zero_stage != 2) return {};
  const auto value_bytes = static_cast<double>(shape.value_bytes);
  const int64_t copies = shape.layout.dp;
  return {over_copies(shape, loads, rank, value_bytes, copies), half_ring_messages(shape, loads, rank, value_bytes, copies)};
}

StepTraffic step_traffic(const RunShape& shape, const std::vector<StageLoad>& loads) {
  StepTraffic most;
  for (int64_t rank = 0; rank < shape.layout.pp; ++rank) {
    StepTraffic sent;
    for (const auto& load : loads_of_rank(shape, loads, rank))
      for (const auto* pass : {&load.forward, &load.backward}) sent.add(pass->traffic, static_cast<double>(shape.micro_batches()));
    sent.data += gradient_sums(shape, loads, rank).bytes + weight_gathers(shape, loads, rank).bytes;
    if (sent.total() >= most.total()) most = sent;
  }
  return most;
}

}  // namespace ingot::train
