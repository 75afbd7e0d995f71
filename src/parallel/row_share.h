#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// The rows of a tensor that one of several ranks keeps something of: as many for each, the last ones fewer.
struct RowShare {
  int64_t first = 0, count = 0;
  at::Tensor of(const at::Tensor& whole) const { return whole.narrow(0, first, count); }
};
RowShare row_share(int64_t num_rows, Communicator& ranks);

/// `whole` becomes every rank's rows, of which this one has `own`.
void gather_rows(at::Tensor whole, const at::Tensor& own, Communicator& ranks);

/// Every rank's rows of `whole` become what they are on that rank.
void exchange_rows(at::Tensor whole, Communicator& ranks);

/// This rank's rows of the sum of all ranks' `whole`, in its dtype.
at::Tensor own_rows_of_sum(const at::Tensor& whole, Communicator& ranks);

}  // namespace ingot::parallel
