#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "model/parameters.h"
#include "parallel/communicator.h"
#include "parallel/row_share.h"
#include "train/bucket_bytes.h"
#include "train/tensor_terms.h"

namespace ingot::train {

/// Float32 sums of gradients over a group of ranks that have the same part of the parameters. They travel in buckets of several parameters,
/// those first that a backward pass comes to first: a bucket begins its way when all its gradients are there, while the pass goes on. Source:
/// Li et al. 2020 (PyTorch DDP).
class GradientBuckets {
 public:
  struct Ways {
    bool by_rows = false;  // a rank gets the sums of its rows (row_share) alone: half of what whole sums take on their way
    bool waits = false;    // a rank may wait inside a backward pass, as all are in the same one: never are more than some buckets under way
    int64_t bucket_bytes = kBucketBytes;  // at most, but for one parameter, which is never cut
  };
  /// Parameters in the order of the model. All of `ranks`, which must outlive it, make it together, and nobody else uses them.
  /// `terms` are made whole before a bucket leaves.
  GradientBuckets(const std::vector<std::shared_ptr<model::Parameter>>& parameters, parallel::Communicator& ranks, const TensorTerms& terms, Ways ways);

  /// Adds to the sum of parameter `i` on this rank. The gradient may become the sum: nobody else uses it any more.
  void add(size_t i, const at::Tensor& gradient);
  /// All that this rank adds for parameter `i` is there.
  void close(size_t i);
  /// All that this rank adds is there: what is still here leaves. Ranks close in any order; buckets leave in the same one on all.
  void close_all();
  /// Buckets that have left since then.
  int64_t num_left() const { return static_cast<int64_t>(next_); }
  /// Waits for all, after close_all(): of each parameter the sum, or this rank's rows of it; undefined where no rank had a gradient. Then it is
  /// empty. `others`: more ranks, over which sums are made, too.
  std::vector<at::Tensor> take(parallel::Communicator& others);
  /// Forgets everything when what is under way has come: `most_left` buckets, of the rank that has let most of them leave.
  void discard(int64_t most_left);

 private:
  struct Place { size_t bucket, member; };
  struct Member {
    std::shared_ptr<model::Parameter> parameter;
    parallel::RowShare own;       // what this rank gets
    int64_t size;       // elements of a share, where the last ones may have fewer
    int64_t begin = 0;  // in each share of the bucket's sum
    bool has_gradient = false, is_closed = false;
    bool was_there = false;  // a gradient, in what has left
  };
  struct Bucket {
    std::vector<Member> members;
    int64_t share = 0;    // elements
    at::Tensor sum;       // [shares * share] on this rank; undefined: nothing was added
    at::Tensor arriving;  // [share] of the sum over the ranks, while it is under way
    at::Tensor arrived;   // [share]
    size_t num_closed = 0;
    bool is_closed() const { return num_closed == members.size(); }
  };
  struct UnderWay { Bucket* bucket; parallel::Begun call; };

  void put(std::shared_ptr<model::Parameter> parameter);
  at::Tensor shares_of(const Bucket& bucket) const;
  bool is_all_of(const Bucket& bucket, const at::Tensor& gradient) const;
  at::Tensor num_with_gradient(parallel::Communicator& others);
  void complete(const Bucket& bucket);
  bool has_room();
  bool is_full() const;
  void leave();
  void arrive();

  parallel::Communicator& ranks_;
  const TensorTerms& terms_;
  const Ways ways_;
  const int64_t shares_;
  std::vector<Bucket> buckets_;
  std::vector<Place> places_;  // of the parameters
  size_t next_ = 0;            // bucket to leave
  std::deque<UnderWay> under_way_;
};

}  // namespace ingot::train
