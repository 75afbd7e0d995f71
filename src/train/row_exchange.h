#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "parallel/communicator.h"

namespace ingot::train {

/// Makes every rank's rows (row_share) of some tensors what they are on that rank. They travel in buckets, beside what is done between the calls.
class RowExchange {
 public:
  explicit RowExchange(int64_t bucket_bytes) : bucket_bytes_(bucket_bytes) {}
  /// This rank's rows of `whole` are final, and the others may change. All of `ranks` bring the same tensors in the same order.
  void add(at::Tensor whole, parallel::Communicator& ranks);
  /// Returns when all have come.
  void finish();

 private:
  struct Bucket {
    parallel::Communicator* ranks;
    std::vector<at::Tensor> tensors;  // of one dtype
    int64_t bytes = 0;
    at::Tensor shares;  // [ranks, share] while it is under way
    parallel::Begun call;
  };
  void leave(Bucket bucket);
  void arrive();

  const int64_t bucket_bytes_;
  std::vector<Bucket> filling_;  // one for each group and dtype
  std::optional<Bucket> under_way_;  // while the next ones are filled
};

}  // namespace ingot::train
