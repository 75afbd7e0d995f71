#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ingot::ops {

/// Segments of equal length, which run as one batch.
struct SegmentGroup {
  int64_t length = 0;
  std::vector<int64_t> starts;  // in the flattened tokens
};

/// The starts of the segments of rows [batch, seq], flattened, with the end: those given, which ascend from 0 to batch * seq, or one segment a
/// row where there are none.
std::vector<int64_t> segments_of_rows(int64_t batch, int64_t seq, const std::vector<int64_t>& given);

/// The segments between ascending starts, by length; empty ones are left out.
std::vector<SegmentGroup> group_by_length(const std::vector<int64_t>& segment_starts);

/// Moves between [batch, seq, heads, head_dim] and a group's [segments, length, heads, head_dim].
class GroupView {
 public:
  /// Of x.size(0) * x.size(1) tokens on the device of x.
  GroupView(const SegmentGroup& group, const at::Tensor& x);
  at::Tensor gather(const at::Tensor& x) const;
  void scatter(const at::Tensor& from, at::Tensor& to) const;

 private:
  int64_t length_;
  at::Tensor indices_;  // undefined when the group is all there is
};

}  // namespace ingot::ops
