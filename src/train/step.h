#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "model/causal_lm.h"
#include "parallel/mesh.h"
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
  int64_t logical_shards = 0;     // 0: gradients are summed as is fastest; else in a fixed tree over so many shards of the batch
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

/// The micro-batches of shard `shard` of `shards`: [first, end) of `count`. Neighbours differ by at most one.
struct MicroBatches { int64_t first, end; };
MicroBatches micro_batches_of(int64_t shard, int64_t shards, int64_t count);

/// Whether any rank stops; of several groups, which together are a grid, whether any rank of the grid does.
bool ranks_agree_to_stop(parallel::Communicator& ranks, bool stops);
bool ranks_agree_to_stop(std::initializer_list<parallel::Communicator*> groups, bool stops);

/// The same of the ranks that take their micro-batches in step with this one: that share its matrices, its experts or the tokens of its rows.
bool partners_agree_to_stop(const parallel::Mesh& mesh, bool stops);

/// A row of no label, for a rank that has no micro-batch while its partners have one.
data::Batch blank_batch(int64_t seq_length);

/// Forward and backward of every micro-batch with the loss as a sum, then one update with the gradient sums divided by
/// the number of labels of the whole global batch. So every label weighs the same, however the batch is cut. The
/// balance of experts, where it counts, is no sum over tokens: it is taken within each micro-batch (CausalLm::objective).
/// Nothing when a stop is asked for between two micro-batches: what they gave is thrown away, model and optimizer are as before.
/// Each data rank of the mesh has some of the micro-batches, one after another, and all of them make the same update; a rank that is asked to
/// stop stops all. With logical shards the result's bits depend on neither the number of ranks nor on which has what.
/// Throws DataError when no label counts, and when the loss or the gradient norm is NaN or infinite, before the update.
std::optional<StepResult> train_step(model::CausalLm& model, Optimizer& optimizer, const DataSource& source, const StepPlan& plan,
                                     const parallel::Mesh& mesh = parallel::only_rank());

}  // namespace ingot::train
