#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/communicator.h"

namespace ingot::parallel {

// Between the matrices each rank has a share of the rows, which are tokens: of so many rows the i-th share_of(rows), behind the last of them
// zeros. Where every rank has a part of the weights it gets all rows, and what the parts give is summed. Source: Korthikanti et al. 2022 (g and
// its conjugate of figure 5).

/// Rows of each rank's share, the same for all.
int64_t share_of(int64_t rows, const Communicator& ranks);

/// All `rows` of which each rank has its share, [share, width] to [rows, width]. Backward: this rank's share of the sum of the ranks' gradients,
/// made in float32 and rounded once.
at::Tensor rows_of_shares(const at::Tensor& share, int64_t rows, Communicator& ranks);

/// This rank's share of the sum of the ranks' terms, made in float32 and rounded once, [rows, width] to [share, width]. Backward: the gradient of
/// all rows. The terms travel in their own type; sums over a power of two ranks are made in the tree of ops/tree_sum.h.
at::Tensor share_of_sum(const at::Tensor& term, Communicator& ranks);

/// The sum of float32 terms, whole on each rank. Backward: the gradient on each.
at::Tensor sum_of_ranks(const at::Tensor& term, Communicator& ranks);

/// The ranks' parts one after another in the last dimension. No graph is recorded.
at::Tensor joined_over_ranks(const at::Tensor& part, Communicator& ranks);

}  // namespace ingot::parallel
