#include "parallel/row_share.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ingot::parallel {
namespace {

int64_t most_rows(int64_t num_rows, Communicator& ranks) { return (num_rows + ranks.size() - 1) / ranks.size(); }

/// Room for so many rows like those of `whole`.
at::Tensor rows_like(const at::Tensor& whole, int64_t rows) {
  auto shape = whole.sizes().vec();
  shape[0] = rows;
  return at::zeros(shape, whole.options().requires_grad(false));
}

}  // namespace

RowShare row_share(int64_t num_rows, Communicator& ranks) {
  const int64_t each = most_rows(num_rows, ranks), first = std::min(num_rows, ranks.rank() * each);
  return {first, std::min(each, num_rows - first)};
}

void gather_rows(at::Tensor whole, const at::Tensor& own, Communicator& ranks) {
  const int64_t each = most_rows(whole.size(0), ranks);
  if (each * ranks.size() == whole.size(0)) return ranks.all_gather(whole, own);
  const auto mine = rows_like(whole, each), all = rows_like(whole, each * ranks.size());
  mine.narrow(0, 0, own.size(0)).copy_(own);
  ranks.all_gather(all, mine);
  whole.copy_(all.narrow(0, 0, whole.size(0)));
}

void exchange_rows(at::Tensor whole, Communicator& ranks) { gather_rows(whole, row_share(whole.size(0), ranks).of(whole).clone(), ranks); }

at::Tensor own_rows_of_sum(const at::Tensor& whole, Communicator& ranks) {
  const auto own = row_share(whole.size(0), ranks);
  const int64_t each = most_rows(whole.size(0), ranks);
  if (each * ranks.size() == whole.size(0)) {
    const auto rows = rows_like(whole, each);
    ranks.reduce_scatter(rows, whole);
    return rows;
  }
  const auto all = rows_like(whole, each * ranks.size()), mine = rows_like(whole, each);
  all.narrow(0, 0, whole.size(0)).copy_(whole);
  ranks.reduce_scatter(mine, all);
  return mine.narrow(0, 0, own.count).clone();
}

}  // namespace ingot::parallel
