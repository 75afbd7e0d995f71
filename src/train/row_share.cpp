#include "train/row_share.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ingot::train {
namespace {

int64_t most_rows(int64_t num_rows, parallel::Communicator& ranks) { return (num_rows + ranks.size() - 1) / ranks.size(); }

/// Room for so many rows like those of `whole`.
at::Tensor rows_like(const at::Tensor& whole, int64_t rows) {
  auto shape = whole.sizes().vec();
  shape[0] = rows;
  return at::zeros(shape, whole.options().requires_grad(false));
}

}  // namespace

RowShare row_share(int64_t num_rows, parallel::Communicator& ranks) {
  const int64_t each = most_rows(num_rows, ranks), first = std::min(num_rows, ranks.rank() * each);
  return {first, std::min(each, num_rows - first)};
}

void exchange_rows(at::Tensor whole, parallel::Communicator& ranks) {
  const auto own = row_share(whole.size(0), ranks);
  const int64_t each = most_rows(whole.size(0), ranks);
  const auto mine = rows_like(whole, each), all = rows_like(whole, each * ranks.size());
  mine.narrow(0, 0, own.count).copy_(own.of(whole));
  ranks.all_gather(all, mine);
  whole.copy_(all.narrow(0, 0, whole.size(0)));
}

at::Tensor own_rows_of_sum(const at::Tensor& whole, parallel::Communicator& ranks) {
  const auto own = row_share(whole.size(0), ranks);
  const int64_t each = most_rows(whole.size(0), ranks);
  const auto all = rows_like(whole, each * ranks.size()), mine = rows_like(whole, each);
  all.narrow(0, 0, whole.size(0)).copy_(whole);
  ranks.reduce_scatter(mine, all);
  return mine.narrow(0, 0, own.count).clone();
}

}  // namespace ingot::train
