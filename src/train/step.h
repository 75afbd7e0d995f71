#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/causal_lm.h"
#include "train/data_source.h"
#include "train/optimizer.h"

namespace ingot::train {

/// What one optimizer step is to do.
struct StepPlan {
  int64_t step = 1;               // 1-based, for messages
  std::vector<uint64_t> samples;  // global sample indices of the global batch
  int64_t micro_batch = 1;        // samples in one forward pass
  uint64_t seed = 42;             // of dropout
  double learning_rate = 0;
};

struct StepResult {
  double loss = 0;       // sum of cross entropies of the global batch / labels
  double grad_norm = 0;  // of what is minimised, before clipping
  /// With experts: the mean of the micro-batches' balance weighted by their labels, before its coefficient; and each
  /// expert's tokens over all layers and micro-batches.
  std::optional<double> aux_loss;
  std::vector<int64_t> expert_tokens;
  uint64_t labels = 0, tokens = 0;
  double flops = 0;      // train/flops.h
};

/// Forward and backward of every micro-batch with the loss as a sum, then one update with the gradient sums divided by
/// the number of labels of the whole global batch. So every label weighs the same, however the batch is cut. The
/// balance of experts, where it counts, is no sum over tokens: it is taken within each micro-batch (CausalLm::objective).
/// Nothing when a stop is asked for between two micro-batches: what they gave is thrown away, model and optimizer are as before.
/// Throws DataError when no label counts, and when the loss or the gradient norm is NaN or infinite, before the update.
std::optional<StepResult> train_step(model::CausalLm& model, Optimizer& optimizer, const DataSource& source, const StepPlan& plan);

}  // namespace ingot::train
