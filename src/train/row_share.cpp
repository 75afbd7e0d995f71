#include "train/row_share.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ingot::train {
namespace {

int64_t most_rows(int64_t num_rows, int64_t num_ranks) { return (num_rows + num_ranks - 1) / num_ranks; }

}  // namespace

int64_t share_size(const at::Tensor& whole, int64_t num_ranks) { return most_rows(whole.size(0), num_ranks) * (whole.numel() / whole.size(0)); }

RowShare row_share(int64_t num_rows, parallel::Communicator& ranks) {
  const int64_t each = most_rows(num_rows, ranks.size()), first = std::min(num_rows, ranks.rank() * each);
  return {first, std::min(each, num_rows - first)};
}

std::vector<RowsInShares> rows_in_shares(const at::Tensor& shares, int64_t begin, const at::Tensor& whole) {
  const int64_t num_rows = whole.size(0), each = most_rows(num_rows, shares.size(0)), row_size = whole.numel() / num_rows;
  const int64_t full = num_rows / each, rest = num_rows % each;  // ranks that have `each`, and rows of the one that has fewer
  std::vector<RowsInShares> found{{whole.narrow(0, 0, full * each).view({full, each * row_size}), shares.narrow(0, 0, full).narrow(1, begin, each * row_size)}};
  if (rest > 0) found.push_back({whole.narrow(0, full * each, rest).view({-1}), shares[full].narrow(0, begin, rest * row_size)});
  return found;
}

}  // namespace ingot::train
