#include "ops/segment_groups.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

namespace ingot::ops {
namespace {

/// The flattened tokens of a group, [segments * length] int64.
at::Tensor token_indices(const SegmentGroup& group) {
  auto starts = at::empty({static_cast<int64_t>(group.starts.size()), 1}, at::kLong);
  std::copy(group.starts.begin(), group.starts.end(), starts.mutable_data_ptr<int64_t>());
  return (starts + at::arange(group.length, at::kLong)).flatten();
}

}  // namespace

std::vector<int64_t> segments_of_rows(int64_t batch, int64_t seq, const std::vector<int64_t>& given) {
  if (!given.empty()) {
    TORCH_CHECK(given.front() == 0 && given.back() == batch * seq && std::is_sorted(given.begin(), given.end()),
                "causal_attention: segment starts do not ascend from 0 to ", batch * seq);
    return given;
  }
  std::vector<int64_t> starts(static_cast<size_t>(batch) + 1);
  for (int64_t row = 0; row <= batch; ++row) starts[static_cast<size_t>(row)] = row * seq;
  return starts;
}

std::vector<SegmentGroup> group_by_length(const std::vector<int64_t>& segment_starts) {
  std::map<int64_t, SegmentGroup> by_length;
  for (size_t i = 0; i + 1 < segment_starts.size(); ++i) {
    auto& group = by_length[segment_starts[i + 1] - segment_starts[i]];
    group.length = segment_starts[i + 1] - segment_starts[i];
    group.starts.push_back(segment_starts[i]);
  }
  std::vector<SegmentGroup> groups;
  for (auto& [length, group] : by_length)
    if (length > 0) groups.push_back(std::move(group));
  return groups;
}

GroupView::GroupView(const SegmentGroup& group, const at::Tensor& x) : length_(group.length) {
  if (static_cast<int64_t>(group.starts.size()) * group.length != x.size(0) * x.size(1)) indices_ = token_indices(group).to(x.device());
}

at::Tensor GroupView::gather(const at::Tensor& x) const {
  const auto flat = x.reshape({-1, x.size(2), x.size(3)});
  return (indices_.defined() ? flat.index_select(0, indices_) : flat).view({-1, length_, x.size(2), x.size(3)});
}

void GroupView::scatter(const at::Tensor& from, at::Tensor& to) const {
  auto flat = to.view({-1, to.size(2), to.size(3)});
  const auto rows = from.reshape({-1, to.size(2), to.size(3)});
  indices_.defined() ? flat.index_copy_(0, indices_, rows) : flat.copy_(rows);
}

}  // namespace ingot::ops
