#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/parameter_specs.h"
#include "train/plan/run_shape.h"

namespace ingot::train {

/// Where a matrix or vector of the model is used.
enum class Use { kEmbedding, kNorm, kQkv, kAttentionOut, kRouter, kGateUp, kDown, kHead };

/// A parameter with what a run does with it.
struct PlannedParameter {
  model::ParameterSpec spec;
  Use use = Use::kNorm;
  bool trained = true;
  int64_t adapter_rank = 0;  // of the low-rank addition to it; 0: none
};

/// All parameters of the model in their order. Throws ConfigError for a target of the adapter that matches nothing.
std::vector<PlannedParameter> planned_parameters(const model::DecoderConfig& config, const Tuning& tuning);

/// Values on one rank.
struct ValueCount {
  int64_t held = 0, trained = 0;
  int64_t largest_trained = 0;   // of one parameter
  void add(const ValueCount& other);
};

/// A layer, or an end of the model, on one rank of a tensor parallel group; what belongs to experts by itself, because their copies
/// lie on fewer ranks. Norms and ends stand with `feed_forward`.
struct PartCount {
  ValueCount attention, feed_forward, experts;
  int64_t held() const { return attention.held + feed_forward.held + experts.held; }
  int64_t trained() const { return attention.trained + feed_forward.trained + experts.trained; }
  int64_t largest_trained() const { return std::max({attention.largest_trained, feed_forward.largest_trained, experts.largest_trained}); }
  void add(const PartCount& other);
};

/// The model as one rank of `tp` and of `ep` holds it.
struct PartCounts {
  std::vector<PartCount> layers;
  PartCount embedding, final_norm, head;  // head: nothing where it is the embedding
  ValueCount whole;                       // of the model, whatever ranks share
};

PartCounts part_counts(const std::vector<PlannedParameter>& parameters, const model::DecoderConfig& config, int64_t tp, int64_t ep);

/// Values of the whole model, adapters left out, and the trained ones.
int64_t num_values(const std::vector<PlannedParameter>& parameters);
int64_t num_trained(const std::vector<PlannedParameter>& parameters);

}  // namespace ingot::train
