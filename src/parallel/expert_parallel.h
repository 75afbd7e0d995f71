#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// Rows on their way to the ranks that have their experts, and back: of x [rows, width] the first sent[0] go to rank 0, the next sent[1] to rank
/// 1 ...; the result has received[0] rows of rank 0, received[1] of rank 1 ... Backward: the gradients the other way.
/// Source: Lepikhin et al. 2020 (GShard).
at::Tensor rows_to_ranks(const at::Tensor& x, const std::vector<int64_t>& sent, const std::vector<int64_t>& received, Communicator& ranks);

/// For each rank what it sends to this one: of counts [ranks, n] int64 row i goes to rank i. [ranks, n]
at::Tensor counts_to_ranks(const at::Tensor& counts, Communicator& ranks);

}  // namespace ingot::parallel
