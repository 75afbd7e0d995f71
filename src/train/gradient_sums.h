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
#include "train/gradient_buckets.h"
#include "train/tensor_terms.h"

namespace ingot::train {

/// How ranks that have the same part of a parameter sum its gradients.
struct GradientSharing {
  bool in_tree = false;     // in the order of ops/tree_sum.h over logical shards; else in that which is fastest, and each rank
  bool by_rows = false;     // gets the sums of its rows alone (Rajbhandari et al. 2020, ZeRO stage 1),
  bool keeps_rows = false;  // and keeps no others: they are made in each backward pass, all ranks in the same one (ZeRO stage 2)
  int64_t bucket_bytes = kBucketBytes;  // that travel together, where they are not summed in a tree
};

/// The float32 sums of the gradients of a step: over micro-batches, the uses of a parameter, and the ranks.
class GradientSums {
 public:
  /// Of these parameters. The groups of the mesh must outlive it; their ranks meet in meet(), not here.
  GradientSums(std::vector<std::shared_ptr<model::Parameter>> parameters, const parallel::Mesh& mesh, GradientSharing sharing);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  /// See Optimizer::meet, begin_pass, accumulate, sum_over_ranks, discard.
  void meet();
  void begin_pass(bool is_last);
  void accumulate(const std::vector<int64_t>& shards);
  void sum_over_ranks(int64_t num_shards);
  void discard();

  /// The whole sum of parameter `i`'s gradients, or this rank's rows of it; undefined without one.
  const at::Tensor& of(size_t i) const;
  void clear(size_t i);
  /// The ranks that have the same part of a parameter, and this rank's rows of its values.
  parallel::Communicator& replicas_of(const model::Parameter& parameter) const;
  parallel::RowShare rows_of(const model::Parameter& parameter) const;
  /// Norm over the whole model's, in double, the same on all ranks.
  double norm() const;
  std::optional<std::string> first_bad() const;

 private:
  enum class Pass { kNone, kOneOfSome, kLast };
  struct Sum;
  struct Slot;
  struct Hook;
  /// Of the parameters that the same ranks have the same part of: those that are here, and without a tree or alone the way of their sums.
  struct Group {
    std::vector<std::shared_ptr<Slot>> slots;
    parallel::Communicator* meeting = nullptr;      // ranks with other rows of the batch, or where there are none with other tokens;
    std::unique_ptr<parallel::Communicator> ranks;  // the same, for the buckets
    std::unique_ptr<GradientBuckets> buckets;
    parallel::Communicator* others = nullptr;       // more that have terms of the sums
    bool keeps_rows = false;
  };
  void make_buckets(Group& group, parallel::Communicator& replicas);
  void take_in(Slot& slot, size_t leaf);
  void end_pass();
  void sum_in_buckets();
  void sum_in_tree(int64_t num_shards);
  void sum_over_group(parallel::Communicator& ranks, const std::vector<std::shared_ptr<Slot>>& slots);
  void sum_ends(Slot& slot);
  double own_squares(const Slot& slot) const;

  std::vector<std::shared_ptr<Slot>> slots_;
  parallel::Communicator &data_, &tensor_, &pipeline_, &experts_, &expert_data_, &context_;
  const TensorTerms terms_;
  const bool sums_apart_;
  const GradientSharing sharing_;
  const bool by_rows_;
  Group of_all_, of_experts_;
  Pass pass_ = Pass::kNone;
  bool have_met_ = false;
};

}  // namespace ingot::train
