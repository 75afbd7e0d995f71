#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/parameters.h"
#include "parallel/mesh.h"
#include "parallel/row_share.h"

namespace ingot::train {

/// The float32 sums of the gradients of a step: over micro-batches, the uses of a parameter, and the ranks.
class GradientSums {
 public:
  /// Of these parameters. `keeps_rows`: of the ranks that have the same part of a parameter each keeps the sums of its rows alone: they meet in
  /// the backward pass, as soon as a parameter's gradient of a micro-batch is there, all ranks at the same one (Rajbhandari et al. 2020, ZeRO
  /// stage 2). The groups of the mesh must outlive it.
  GradientSums(std::vector<std::shared_ptr<model::Parameter>> parameters, const parallel::Mesh& mesh, bool keeps_rows);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  /// See Optimizer::accumulate, sum_over_ranks, discard.
  void accumulate(const std::vector<int64_t>& shards);
  void sum_over_ranks(int64_t num_shards);
  void discard();

  /// The whole sum of parameter `i`'s gradients, or the rows that this rank keeps; undefined without one.
  const at::Tensor& of(size_t i) const;
  void clear(size_t i);
  /// The ranks that have the same part of a parameter, and this rank's rows of its values.
  parallel::Communicator& replicas_of(const model::Parameter& parameter) const;
  parallel::RowShare rows_of(const model::Parameter& parameter) const;
  /// Norm over the whole model's, in double, the same on all ranks.
  double norm() const;
  std::optional<std::string> first_bad() const;

 private:
  struct Slot;
  struct Hook;
  void add_rows(Slot& slot, at::Tensor& fresh);
  void sum_over_group(parallel::Communicator& ranks, const std::vector<std::shared_ptr<Slot>>& slots, bool in_tree);
  at::Tensor empty_sum(const Slot& slot) const;
  void sum_ends(Slot& slot);
  void sum_terms(const model::Parameter& parameter, at::Tensor gradient);
  double own_squares(const Slot& slot) const;

  std::vector<std::shared_ptr<Slot>> slots_;
  parallel::Communicator &data_, &tensor_, &pipeline_, &experts_, &expert_data_, &context_;
  const bool sums_apart_, keeps_rows_;
};

}  // namespace ingot::train
