#pragma once

#include <ATen/core/Tensor.h>

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

namespace ingot::train {

struct OptimizerConfig {
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;
  double weight_decay = 0.0;   // of parameters with `decay`
  double max_grad_norm = 1.0;  // 0: no clipping
  bool is_sharded = false;     // over the ranks that have the same part of the model
  void check(Problems& problems) const;
};

using model::ExactWeights;

/// AdamW over the trainable parameters, with fp32 masters where the model computes in bf16, and fp32 gradient sums.
/// A float32 parameter is its own master.
class Optimizer {
 public:
  /// Sets requires_grad of every parameter. Throws ConfigError for a trainable one that is neither float32 nor
  /// bfloat16.
  /// The ranks of the mesh must outlive it. Of those that have the same part of the model each keeps, with `is_sharded`, the state of its rows of
  /// every parameter alone (Rajbhandari et al. 2020, ZeRO stage 1), updates these and gets the others.
  Optimizer(const model::ParameterList& parameters, OptimizerConfig config, const parallel::Mesh& mesh = parallel::only_rank());
  /// Takes the masters of bfloat16 parameters from the values that these were rounded from. A master that starts on
  /// bfloat16's grid loses updates below half its spacing at first, and with them a part of the first steps.
  void set_masters(const ExactWeights& exact);
  /// Adds every parameter's .grad to the fp32 sums and clears it. Once a micro-batch.
  void accumulate();
  /// The micro-batches since the last call are a logical shard of the batch: their sum becomes the next leaf of a tree (ops/tree_sum.h).
  void end_shard();
  /// The sums become those over the whole batch; `in_tree`: of the shards that the ranks have ended, in the tree over all of them. Then terms
  /// of which the tensor ranks have one each are summed, too.
  void sum_over_ranks(bool in_tree);
  /// Forgets the sums: a step that is given up leaves no trace.
  void discard();
  /// Norm of the whole model's summed gradients times `scale`, in double, the same on all tensor ranks, which call it together.
  double gradient_norm(double scale) const;
  /// The first parameter whose summed gradient holds NaN or infinity.
  std::optional<std::string> first_bad_gradient() const;
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
  void sum_over_data_ranks(bool in_tree);
  checkpoint::RunTensor state_of(const std::string& prefix, const Slot& slot, const at::Tensor& rows) const;
  void sum_terms(Slot& slot);
  std::vector<std::shared_ptr<Slot>> slots_;
  OptimizerConfig config_;
  parallel::Communicator &data_ranks_, &tensor_ranks_;
  std::function<void(const at::Tensor&)> prepare_;
  int64_t num_steps_ = 0;
};

}  // namespace ingot::train
