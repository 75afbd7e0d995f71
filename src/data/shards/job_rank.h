#pragma once

#include <cstdint>

namespace ingot::data {

/// One of the processes that make an output together. Rank 0 writes it; alone it does all.
struct JobRank {
  int64_t rank = 0, size = 1;
  int64_t here = 1;  // ranks on this machine, which share its cores
  /// Threads of this rank; `wanted` where that is not 0.
  int num_workers(int wanted) const;
};

}  // namespace ingot::data
