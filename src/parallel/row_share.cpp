#include "parallel/row_share.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace ingot::parallel {
namespace {

int64_t most_rows(int64_t num_rows, int64_t num_ranks) { return (num_rows + num_ranks - 1) / num_ranks; }

/// Room for so many rows like those of `whole`.
at::Tensor rows_like(const at::Tensor& whole, int64_t rows) {
  auto shape = whole.sizes().vec();
  shape[0] = rows;
  return at::zeros(shape, whole.options().requires_grad(false));
}

}  // namespace

int64_t share_size(const at::Tensor& whole, int64_t num_ranks) { return most_rows(whole.size(0), num_ranks) * (whole.numel() / whole.size(0)); }

RowShare row_share(int64_t num_rows, Communicator& ranks) {
  const int64_t each = most_rows(num_rows, ranks.size()), first = std::min(num_rows, ranks.rank() * each);
  return {first, std::min(each, num_rows - first)};
}

Begun begin_gather_rows(at::Tensor whole, const at::Tensor& own, Communicator& ranks) {
  const int64_t each = most_rows(whole.size(0), ranks.size());
  if (each * ranks.size() == whole.size(0)) return ranks.begin_all_gather(whole, own);
  const auto mine = rows_like(whole, each), all = rows_like(whole, each * ranks.size());
  mine.narrow(0, 0, own.size(0)).copy_(own);
  auto call = ranks.begin_all_gather(all, mine);
  call.wait = [wait = std::move(call.wait), whole, all] {
    wait();
    const at::NoGradGuard no_grad;
    whole.copy_(all.narrow(0, 0, whole.size(0)));
  };
  return call;
}

std::vector<RowsInShares> rows_in_shares(const at::Tensor& shares, int64_t begin, const at::Tensor& whole) {
  const int64_t num_rows = whole.size(0), each = most_rows(num_rows, shares.size(0)), row_size = whole.numel() / num_rows;
  const int64_t full = num_rows / each, rest = num_rows % each;  // ranks that have `each`, and rows of the one that has fewer
  std::vector<RowsInShares> found{{whole.narrow(0, 0, full * each).view({full, each * row_size}), shares.narrow(0, 0, full).narrow(1, begin, each * row_size)}};
  if (rest > 0) found.push_back({whole.narrow(0, full * each, rest).view({-1}), shares[full].narrow(0, begin, rest * row_size)});
  return found;
}

}  // namespace ingot::parallel
