#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/run_checkpoint.h"
#include "core/problems.h"
#include "model/parameters.h"
#include "parallel/mesh.h"
#include "train/gradient_sums.h"

namespace ingot::train {

struct OptimizerConfig {
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;
  double weight_decay = 0.0;   // of parameters with `decay`
  double max_grad_norm = 1.0;  // 0: no clipping
  bool is_sharded = false;     // over the ranks that have the same part of the model
  bool shards_gradients = false;  // their sums, too, where they are not made in a tree
  bool sums_in_tree = false;      // over logical shards
  int64_t bucket_bytes = kBucketBytes;  // of gradients, and of updated rows, that travel together
  void check(Problems& problems) const;
};

using model::ExactWeights;

/// AdamW over the trainable parameters, with fp32 masters where the model computes in bf16, and fp32 gradient sums.
/// A float32 parameter is its own master.
class Optimizer {
 public:
  /// Sets requires_grad of every parameter. Throws ConfigError for a trainable one that is neither float32 nor
  /// bfloat16.
  /// The mesh must outlive it. Of the ranks that have the same part of the model each keeps, with `is_sharded`, the state of its rows of
  /// every parameter alone (Rajbhandari et al. 2020, ZeRO stage 1), updates these and gets the others.
  Optimizer(const model::ParameterList& parameters, OptimizerConfig config, const parallel::Mesh& mesh = parallel::only_rank());
  /// Takes the masters of bfloat16 parameters from the values that these were rounded from. A master that starts on
  /// bfloat16's grid loses updates below half its spacing at first, and with them a part of the first steps.
  void set_masters(const ExactWeights& exact);
  /// All ranks of the mesh call it together, once or more, before the first pass of any of them.
  void meet() { sums_.meet(); }
  /// Until accumulate() a gradient is added to the sums as soon as a backward pass has made it. `is_last`: of the passes of a step through these
  /// layers; then sums begin their way to the other ranks while it goes on. What does not, as on a rank without a micro-batch, does so in
  /// sum_over_ranks.
  void begin_pass(bool is_last) { sums_.begin_pass(is_last); }
  /// Adds the .grad of every parameter that has one to the fp32 sums and clears it. Once a pass of a micro-batch through layers of this rank.
  /// The sums of one logical shard of the batch, of which `shards` counts this rank's, are a leaf of a tree (ops/tree_sum.h); a parameter gets
  /// them in the order of the shards. An expert gets rows of all ranks that share the experts: of each its own shard.
  void accumulate(const std::vector<int64_t>& shards = {0}) { sums_.accumulate(shards); }
  /// The sums become those over the whole batch: of each rank's one sum, or, `num_shards` > 0, in the tree over so many shards of every rank.
  /// Then terms of which the ranks have one each are summed, too: tensor ranks, and the pipeline's ends of a tied embedding.
  void sum_over_ranks(int64_t num_shards = 0) { sums_.sum_over_ranks(num_shards); }
  /// Forgets the sums: a step that is given up leaves no trace, and nothing under way. All ranks call it together.
  void discard() { sums_.discard(); }
  /// Norm of the whole model's summed gradients times `scale`, in double, the same on all ranks that share the model, which call it together.
  double gradient_norm(double scale) const { return sums_.norm() * std::abs(scale); }
  /// The first parameter whose summed gradient holds NaN or infinity.
  std::optional<std::string> first_bad_gradient() const { return sums_.first_bad(); }
  /// One update with gradients times `scale` times the clipping factor min(1, max_grad_norm / (norm + 1e-6)), as
  /// torch.nn.utils.clip_grad_norm_ has it; sums are cleared. A parameter without a gradient stays as it is.
  void step(double learning_rate, double scale, double norm);
  /// This rank's part of the state as named tensors, which share memory with it: "optimizer.first_moment.NAME",
  /// "optimizer.second_moment.NAME", "optimizer.master.NAME" (bfloat16 parameters only) and
  /// "optimizer.num_steps", [1] int64, a copy.
  std::vector<checkpoint::RunTensor> state() const;
  /// Reads such a state. Names that do not begin with "optimizer." are passed over. Throws DataError when a name,
  /// shape or dtype differs.
  void load_state(const checkpoint::StateReader& state);
  /// step() calls `prepare` with each tensor of the state and each bfloat16 parameter just before it changes it.
  void before_change(std::function<void(const at::Tensor&)> prepare) { prepare_ = std::move(prepare); }
  int64_t num_steps() const { return num_steps_; }

 private:
  struct Slot;
  checkpoint::RunTensor state_of(const std::string& prefix, const Slot& slot, const at::Tensor& rows) const;
  OptimizerConfig config_;
  bool is_first_rank_, writes_replicas_;
  GradientSums sums_;
  std::vector<std::shared_ptr<Slot>> slots_;  // in the order of the sums
  std::function<void(const at::Tensor&)> prepare_;
  int64_t num_steps_ = 0;
};

}  // namespace ingot::train
