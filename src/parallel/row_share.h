#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// The rows of a tensor that one of several ranks keeps something of: as many for each, the last ones fewer.
struct RowShare {
  int64_t first = 0, count = 0;
  at::Tensor of(const at::Tensor& whole) const { return whole.narrow(0, first, count); }
};
RowShare row_share(int64_t num_rows, Communicator& ranks);

/// `whole` becomes every rank's rows, of which this one has `own`.
Begun begin_gather_rows(at::Tensor whole, const at::Tensor& own, Communicator& ranks);

/// Elements of `whole` in the rows of the rank that has most of them.
int64_t share_size(const at::Tensor& whole, int64_t num_ranks);

/// Some rows of a tensor, and their place in `shares`, of the same shape.
struct RowsInShares { at::Tensor rows, place; };
/// `shares` [ranks, share] has in each row, from `begin` on, the elements of a rank's rows of `whole`: these are all of them.
std::vector<RowsInShares> rows_in_shares(const at::Tensor& shares, int64_t begin, const at::Tensor& whole);

}  // namespace ingot::parallel
