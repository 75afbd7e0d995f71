#include "train/plan/rank_memory.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <ranges>

#include "parallel/pipeline.h"
#include "train/bucket_bytes.h"
#include "train/plan/held_bytes.h"
#include "train/plan/layer_sizes.h"
#include "train/plan/layer_walk.h"
#include "train/plan/sum_walk.h"

namespace ingot::train {
namespace {

constexpr int64_t kMomentBytes = 8;                        // of a value, both
constexpr int64_t kLogitBytes = int64_t{128} << 20;        // at a time: ops/linear_cross_entropy.cpp
constexpr int64_t kWidenedColumns = 4096;                  // at a time: ops/wide_product.cpp
constexpr int64_t kMergedFloatBytes = int64_t{8} << 30, kMergeTokens = 64;  // hub/merge_check.cpp, hub/merge.h
constexpr int64_t kBatchBytes = 3 * 8;                     // a token: id, position and label, int64

/// Of a pipeline rank, which has a stage in each of its chunks.
std::vector<int64_t> layers_of(const RunShape& shape, int64_t rank) {
  const int64_t pp = shape.layout.pp, stages = pp * shape.layout.virtual_stages;
  std::vector<int64_t> layers;
  for (int64_t stage = rank; stage < stages; stage += pp) {
    const auto [first, end] = parallel::stage_layers({shape.model.num_layers, shape.model.head_in_layers()}, stages, stage);
    for (int64_t layer = first; layer < end; ++layer) layers.push_back(layer);
  }
  return layers;
}

/// One rank's passes over the micro-batches of a step.
class StepWalk {
 public:
  StepWalk(const RunShape& shape, const std::vector<LayerTuning>& tunings, const PartCounts& counts, int64_t stage)
      : shape_(shape), counts_(counts), layers_(layers_of(shape, stage)), stage_(stage),
        tunings_(tunings), held_counts_(held_parts()), sums_(held_, bytes_in_buckets(false), ways_of(shape.layout.dp)),
        sums_of_experts_(held_, bytes_in_buckets(true), ways_of(std::max<int64_t>(1, shape.layout.dp / shape.layout.ep))) {}

  RankMemory walk() {
    held_.take(static_cast<int64_t>(shape_.tokens() * kBatchBytes * shape_.micro_batches()) + rope_table());
    held_.take_gradient(earlier_sums());
    held_.take((micro_batches_in_flight() - 1) * kept_by_layers());
    forward();
    if (is_last()) with_values(head(), [&] { cross_entropy(); });
    backward();
    sum_up();
    gather_weights();
    RankMemory memory{.weights = weights(),
                      .gradients = held_.peak_gradients(),
                      .optimizer = bytes_of(&ValueCount::trained, kMomentBytes + (is_narrow() ? kFloatBytes : 0), shape_.zero_stage >= 1),
                      .activations = held_.peak_others(),
                      .most_activations = held_.most_others()};
    memory.merge = std::max<int64_t>(0, merge() - memory.total());
    return memory;
  }

 private:
  bool is_first() const { return stage_ == 0; }
  bool is_last() const { return stage_ == shape_.layout.pp - 1; }
  bool is_tied() const { return shape_.model.tie_word_embeddings; }

  std::vector<const PartCount*> held_parts() const {
    std::vector<const PartCount*> parts;
    for (const int64_t layer : layers_) parts.push_back(&layer_counts(layer));
    if (is_first()) parts.push_back(&counts_.embedding);
    if (is_last()) parts.insert(parts.end(), {&counts_.final_norm, &counts_.head});
    if (is_last() && !is_first() && is_tied()) parts.push_back(&counts_.embedding);
    return parts;
  }

  bool sums_in_tree() const { return shape_.logical_shards > 0; }
  bool is_narrow() const { return shape_.value_bytes < kFloatBytes; }
  /// The matrix behind the logits.
  const PartCount& head() const { return is_tied() ? counts_.embedding : counts_.head; }

  /// Adapters are whole on every rank.
  int64_t weights() const {
    const auto added = [&](bool is_shared) { return shape_.tuning.lora ? bytes_of(&ValueCount::trained, shape_.value_bytes, is_shared) : 0; };
    return bytes_of(&ValueCount::held, shape_.value_bytes, shape_.zero_stage >= 3) - added(shape_.zero_stage >= 3) + added(false);
  }

  /// Of all values of this rank, shared over data parallel ranks or not; an expert's copies are fewer.
  int64_t bytes_of(int64_t ValueCount::*count, int64_t bytes_each, bool is_shared) const {
    const int64_t copies = is_shared ? shape_.layout.dp : 1;
    const int64_t expert_copies = std::max<int64_t>(1, copies / shape_.layout.ep);
    int64_t bytes = 0;
    for (const auto* part : held_counts_)
      bytes += (part->attention.*count + part->feed_forward.*count) * bytes_each / copies + part->experts.*count * bytes_each / expert_copies;
    return bytes;
  }

  /// Sums of the micro-batches before the last one; in a tree also those of the logical shards that are whole (ops/tree_sum.h).
  int64_t earlier_sums() const {
    const int64_t all = shape_.micro_batches(), sums = bytes_of(&ValueCount::trained, kFloatBytes, shape_.shards_gradients());
    const int64_t shards = std::max<int64_t>(1, shape_.logical_shards / shape_.layout.dp);
    const bool in_shard = (all + shards - 1) / shards > 1;
    const auto branches = static_cast<int64_t>(std::bit_width(static_cast<uint64_t>(shards)) - 1);
    return all > 1 ? sums * (branches + (in_shard || branches == 0)) : 0;
  }

  int64_t micro_batches_in_flight() const {
    const int64_t chunks = shape_.layout.virtual_stages;
    const int64_t passes = (parallel::most_in_flight({shape_.layout.pp, chunks, stage_}) + chunks - 1) / chunks;
    return std::clamp<int64_t>(passes, 1, std::max<int64_t>(1, shape_.micro_batches()));
  }

  /// Cosines and sines, float32; see model/rope_table.h.
  int64_t rope_table() const { return shape_.tokens() * shape_.model.rotary_dim() * kFloatBytes; }

  LayerGradients gradients_of(const PartCount& part) const {
    return {part.attention.trained * shape_.value_bytes, (part.feed_forward.trained + part.experts.trained) * shape_.value_bytes};
  }

  LayerWalk walk_of(int64_t layer) {
    const auto& tuning = tunings_[static_cast<size_t>(layer)];
    return {held_, LayerSizes(shape_, tuning, layer), tuning, gradients_of(layer_counts(layer)), shape_.recompute};
  }

  int64_t kept_by_layers() {
    int64_t kept = 0;
    for (const int64_t layer : layers_) kept += walk_of(layer).kept();
    return kept;
  }

  void forward() {
    if (is_first()) with_values(counts_.embedding, [] {});
    for (const int64_t layer : layers_) with_values(layer_counts(layer), [&] { walk_of(layer).forward(); });
  }

  /// While they are used, the values are whole; see model/sharded_values.h.
  void with_values(const PartCount& part, const std::function<void()>& use) {
    const int64_t gathered = shape_.zero_stage >= 3 ? part.held() * shape_.value_bytes : 0;
    held_.take(gathered);
    use();
    held_.drop(gathered);
  }

  const PartCount& layer_counts(int64_t layer) const { return counts_.layers[static_cast<size_t>(layer)]; }

  int64_t residual() const { return shape_.share_of_tokens() * shape_.model.hidden_size * shape_.value_bytes; }
  int64_t all_tokens() const { return shape_.tokens() * shape_.model.hidden_size * shape_.value_bytes; }

  int64_t head_values() const { return shape_.model.vocab_size / shape_.layout.tp * shape_.model.hidden_size; }

  /// ops/linear_cross_entropy.cpp: logits of some rows at a time; the gradients are made in the pass forward.
  void cross_entropy() {
    const auto& model = shape_.model;
    const int64_t vocabulary = model.vocab_size / shape_.layout.tp, tokens = shape_.tokens(), value = shape_.value_bytes;
    const int64_t rows = std::min(tokens, std::clamp<int64_t>(kLogitBytes / (vocabulary * value) / 64 * 64, 64, 8192));
    const int64_t states = all_tokens(), unit_rows = model.norm_head ? head_values() * value : 0;
    held_.take(residual());                      // x, by the final norm
    held_.take(states + unit_rows);              // its output
    held_.take(states);                          // the gradient of it
    if (shape_.ignores_labels) held_.take(2 * states);  // rows that count, and their gradients put in their places
    held_.take_gradient(head_gradient(kFloatBytes));
    int64_t work = rows * vocabulary * value;
    const int64_t widened = model.hidden_size + std::min(kWidenedColumns, vocabulary);
    if (head_gradient(1) > 0 && is_narrow())     // ops/wide_product.cpp
      work += shape_.bf16_blocks ? rows * model.hidden_size * value : rows * widened * kFloatBytes;
    held_.touch(work);
    held_.drop(states + unit_rows + (shape_.ignores_labels ? 2 * states : 0));
  }

  int64_t head_gradient(int64_t bytes_each) const { return head().trained() >= head_values() ? head_values() * bytes_each : 0; }

  void backward() {
    if (is_last()) {
      if (is_narrow()) {  // the head's gradient in the type of the weights
        held_.take_gradient(head_gradient(shape_.value_bytes));
        held_.drop_gradient(head_gradient(kFloatBytes));
      }
      if (shape_.model.norm_head) {  // ops/unit_rows.cpp
        held_.take_gradient(head_gradient(shape_.value_bytes));
        held_.drop_gradient(head_gradient(shape_.value_bytes));
      }
      if (shape_.layout.tp > 1) held_.touch(all_tokens()), held_.take(residual()), held_.drop(all_tokens());  // its share of the gradients' sum
      if (!(is_first() && is_tied())) sum_of_end(head());
      held_.take(residual());
      held_.drop(2 * residual());  // x, and the gradient of the norm's output
    } else {
      held_.take(residual());      // the gradient from the next stage
    }
    for (const int64_t layer : std::views::reverse(layers_)) layer_backward(layer);
    held_.drop(residual());
    if (is_first() && counts_.embedding.trained() >= head_values()) {
      held_.take_gradient(head_values() * shape_.value_bytes);
      if (is_last() && is_tied()) held_.drop_gradient(head_values() * shape_.value_bytes);  // the two of one matrix are added
      sum_of_end(counts_.embedding);
    }
    sums_.finish(), sums_of_experts_.finish();
  }

  void layer_backward(int64_t layer) {
    const auto& part = layer_counts(layer);
    with_values(part, [&] { walk_of(layer).backward(); });
    sum_of(part, part.largest_trained());
  }

  /// Without a tree, gradients of a micro-batch go into float32 sums as soon as they are there (train/gradient_sums.h).
  void sum_of(const PartCount& part, int64_t largest) {
    if (sums_in_tree()) return;
    const int64_t apart = has_experts_apart() ? part.experts.trained : 0;
    held_.drop_gradient(part.trained() * shape_.value_bytes);
    sums_.add((part.trained() - apart) * kFloatBytes, largest * kFloatBytes);
    sums_of_experts_.add(apart * kFloatBytes, largest * kFloatBytes);
    if (earlier_sums() > 0 && is_narrow()) held_.touch(kFloatBytes * largest);  // widened for the addition
  }

  /// Of the matrix at an end of the model.
  void sum_of_end(const PartCount& part) {
    const int64_t values = part.trained() >= head_values() ? head_values() : 0;
    sum_of({.feed_forward = {.trained = values}}, values);
  }

  /// Of experts that several ranks share there are fewer copies, with sums of their own.
  bool has_experts_apart() const { return shape_.layout.ep > 1; }

  /// `replicas`: data parallel ranks that have the same parameters.
  SumWalk::Ways ways_of(int64_t replicas) const {
    const int64_t shares = shape_.zero_stage > 0 ? replicas : 1;
    return {.copies = replicas * shape_.layout.cp, .shares = shares, .keeps_rows = shares > 1 && shape_.zero_stage >= 2, .are_there = earlier_sums() > 0};
  }

  /// Of what shares buckets.
  int64_t bytes_in_buckets(bool of_experts) const {
    int64_t bytes = 0;
    for (const auto* part : held_counts_) {
      const int64_t experts = part->experts.trained * kFloatBytes, all = part->trained() * kFloatBytes;
      const int64_t own = of_experts ? experts : has_experts_apart() ? all - experts : all;
      if (part->largest_trained() * kFloatBytes <= kBucketBytes) bytes += own;
    }
    return bytes;
  }

  /// With a tree, sums are made behind the pass, one parameter after another.
  void sum_up() {
    if (!sums_in_tree() || !is_narrow()) return;
    if (earlier_sums() > 0) return held_.touch(kFloatBytes * largest_trained());  // widened for the addition
    held_.drop_gradient(bytes_of(&ValueCount::trained, shape_.value_bytes, false));
    held_.take_gradient(bytes_of(&ValueCount::trained, kFloatBytes, false));
  }

  /// With ZeRO 1 and 2 updated rows travel in buckets (train/row_exchange.h): what a rank sends and what all have of one, and what it will send of the next.
  void gather_weights() {
    if (shape_.layout.dp == 1 || (shape_.zero_stage != 1 && shape_.zero_stage != 2)) return;
    if (!sums_in_tree() && !shape_.shards_gradients())
      held_.drop_gradient(bytes_of(&ValueCount::trained, kFloatBytes, false) - bytes_of(&ValueCount::trained, kFloatBytes, true));
    const int64_t bucket = std::min(std::max(kBucketBytes, largest_trained() * shape_.value_bytes), bytes_of(&ValueCount::trained, shape_.value_bytes, false));
    held_.touch(bucket + 2 * bucket / shape_.layout.dp);
  }

  /// hub/merge_check.cpp: the merged model, its largest tensor mapped from the file and copied, the adapter, and logits of a few tokens of
  /// three models. In float32 where the weights are, and up to 8 GiB of them. Rank 0 does it, in every layout.
  int64_t merge() const {
    const auto& model = shape_.model;
    if (!shape_.tuning.lora || !is_first()) return 0;
    const int64_t added = counts_.whole.trained, values = counts_.whole.held - added;
    const bool wide = model.dtype == DType::kF32 || values * kFloatBytes <= kMergedFloatBytes;
    const int64_t table = model.vocab_size * model.hidden_size * size_of(model.dtype), logits = kMergeTokens * model.vocab_size * kFloatBytes;
    return values * (wide ? kFloatBytes : 2) + 2 * table + added * kFloatBytes + 3 * logits;
  }

  int64_t largest_trained() const {
    int64_t largest = 0;
    for (const auto* part : held_counts_) largest = std::max(largest, part->largest_trained());
    return largest;
  }

  const RunShape& shape_;
  const PartCounts& counts_;
  const std::vector<int64_t> layers_;  // of this rank
  const int64_t stage_;
  const std::vector<LayerTuning>& tunings_;
  std::vector<const PartCount*> held_counts_;
  HeldBytes held_;
  SumWalk sums_, sums_of_experts_;
};

}  // namespace

RankMemory rank_memory(const RunShape& shape, const std::vector<LayerTuning>& tunings, const PartCounts& counts, int64_t stage) {
  return StepWalk(shape, tunings, counts, stage).walk();
}

}  // namespace ingot::train
