#pragma once

#include <cstdint>

#include "train/plan/held_bytes.h"

namespace ingot::train {

/// The float32 sums of a pass's gradients on one rank, as train/gradient_sums.h makes them and train/gradient_buckets.h sends them to the ranks
/// that have copies of the parameters.
class SumWalk {
 public:
  struct Ways {
    int64_t copies = 1;       // of each parameter; with one there are no buckets
    int64_t shares = 1;       // of its rows: each of so many ranks gets the sums of its own alone
    bool keeps_rows = false;  // and of every micro-batch: the buckets are all that there is of the other rows
    bool are_there = false;   // sums of earlier micro-batches, to which these are added; with `keeps_rows` those of the rank's rows
  };
  /// `bytes`: of all sums, those that are larger than a bucket left out.
  SumWalk(HeldBytes& held, int64_t bytes, Ways ways) : held_(held), ways_(ways), to_come_(bytes) {}
  SumWalk(const SumWalk&) = delete;

  /// Gradients that are there, in the order of the backward pass; `largest` is that of the largest parameter.
  void add(int64_t bytes, int64_t largest);
  /// The pass is over: what fills a bucket in part leaves, too.
  void finish();

 private:
  bool by_rows() const { return ways_.shares > 1; }
  void begin_bucket(int64_t bytes);
  void end_bucket();
  void arrive();

  HeldBytes& held_;
  const Ways ways_;
  int64_t to_come_;
  int64_t size_ = 0, room_ = 0;  // of the bucket that is filled
  int64_t under_way_ = 0;        // a bucket, until the next one leaves; on a network that does not keep pace without `keeps_rows` up to four
};

}  // namespace ingot::train
