#include "train/plan/layer_sizes.h"

#include <algorithm>

#include "model/family.h"

namespace ingot::train {
namespace {

constexpr int64_t kIndexBytes = 8;
constexpr int64_t kScores = int64_t{4} << 20;  // of ops/biased_attention.cpp

/// Of ops/rms_norm.cpp: tasks of 16 rows and more, 64 at most.
int64_t norm_tasks(int64_t rows) {
  const int64_t per_task = std::max<int64_t>(16, (rows + 63) / 64);
  return (rows + per_task - 1) / per_task;
}

/// Scores of a block of queries of all heads, as blocks_of of ops/biased_attention.cpp cuts them.
int64_t block_scores(int64_t rows, int64_t seq, int64_t heads, int64_t window) {
  const int64_t seen = window > 0 ? std::min(seq, window) : seq, all_heads = rows * heads;
  const int64_t queries = std::min(seq, std::clamp<int64_t>(kScores / std::max<int64_t>(1, all_heads * seen), 1, 256));
  return all_heads * queries * std::min(seq, seen + queries);
}

}  // namespace

std::vector<LayerTuning> layer_tunings(const std::vector<PlannedParameter>& parameters, const model::DecoderConfig& config) {
  std::vector<LayerTuning> tunings(static_cast<size_t>(config.num_layers));
  bool below = false;
  int64_t layer = -1;
  for (const auto& [spec, use, trained, rank] : parameters) {
    const bool learns = trained || rank > 0;
    if (spec.layer < 0) {
      below = below || (learns && use == Use::kEmbedding);
      continue;
    }
    LayerTuning& tuning = tunings[static_cast<size_t>(spec.layer)];
    if (spec.layer != layer) layer = spec.layer, tuning.any_before = below;
    below = below || learns;
    const int64_t counted = spec.expert > 0 ? 0 : rank;
    switch (use) {
      case Use::kQkv: tuning.qkv |= learns, tuning.attention_ranks += counted; break;
      case Use::kAttentionOut: tuning.attention_out |= learns, tuning.attention_ranks += counted; break;
      case Use::kRouter: tuning.router |= learns, tuning.feed_forward_ranks += counted; break;
      case Use::kGateUp: tuning.gate_up |= learns, tuning.feed_forward_ranks += counted; break;
      case Use::kDown: tuning.down |= learns, tuning.feed_forward_ranks += counted; break;
      default: tuning.norms |= learns;
    }
  }
  return tunings;
}

LayerSizes::LayerSizes(const RunShape& shape, const LayerTuning& tuning, int64_t layer) {
  const auto& model = shape.model;
  const auto& names = model::find_family(model.model_type)->names;
  const int64_t tp = shape.layout.tp, tokens = shape.tokens(), value = shape.value_bytes;
  const int64_t residual_tokens = shape.share_of_tokens();
  const int64_t heads = std::max<int64_t>(1, model.num_heads / tp), kv_heads = std::max<int64_t>(1, model.num_kv_heads / tp);
  const int64_t rows = model.num_experts > 0 ? tokens * model.experts_per_token : tokens;
  residual = residual_tokens * model.hidden_size * value;
  all_tokens = tokens * model.hidden_size * value;
  gathers = tp > 1;
  queries = tokens * heads * model.head_dim * value;
  keys = tokens * kv_heads * model.head_dim * value;
  inner = rows * model.intermediate_size / tp * value;
  log_sums = tokens * heads * kFloatBytes;
  inverse_rms = residual_tokens * kFloatBytes;
  norm_partials = tuning.norms ? norm_tasks(residual_tokens) * model.hidden_size * kFloatBytes : 0;
  attention_inner = tokens * tuning.attention_ranks * value;
  feed_forward_inner = rows * tuning.feed_forward_ranks * value;
  rotates = model.rotary_dim() > 0;
  joint_qkv = names.qkv.size() == 1;
  joint_gate_up = names.gate_up.size() == 1;
  key_gradients = 2 * keys;
  if (model.num_experts > 0) {
    routed = rows * model.hidden_size * value;
    exchanges = shape.layout.ep > 1;
    // Probabilities and the logits, twice for the balance; choices, their weights and places.
    routing = tokens * model.num_experts * (3 * kFloatBytes + value) + rows * (3 * kIndexBytes + 3 * kFloatBytes);
  }
  const int64_t window = model.window_of(layer), seq = shape.seq_length;
  if (model.alibi || (window > 0 && window < seq)) {  // float32 keys, values and their gradients; scores, their gradients and their mask
    const int64_t scores = block_scores(shape.micro_batch, seq, heads, window);
    attention_work = 4 * tokens * kv_heads * model.head_dim * kFloatBytes + scores * (2 * kFloatBytes + 1);
  } else if (shape.bf16_blocks && value == 2) {  // float32 gradients of keys and values for every query head
    attention_work = 2 * tokens * heads * model.head_dim * kFloatBytes;
  } else if (heads != kv_heads) {  // ATen's kernel has keys and values once for every query head
    attention_work = 2 * queries;
    key_gradients = 2 * queries;
  }
}

}  // namespace ingot::train
