#include "checkpoint/slice_cover.h"

#include <fmt/format.h>

namespace ingot::checkpoint {
namespace {

constexpr size_t kMaxSlices = 4096;  // of one tensor: every two of them are compared

std::optional<std::string> bounds_problem(const Shape& shape, const std::vector<Slice>& slices) {
  for (size_t i = 0; i < slices.size(); ++i) {
    const Slice& slice = slices[i];
    if (!lies_within(slice, shape))
      return fmt::format("[{}]: found offset {} and extent {}, wanted a slice within {}", i, to_string(slice.offset),
                         to_string(slice.extent), to_string(shape));
    if (num_elements(slice.extent) == 0 && slice != whole_of(shape))
      return fmt::format("[{}]: found extent {}, wanted 1 or more in each dim", i, to_string(slice.extent));
  }
  return {};
}

std::optional<std::string> overlap_problem(const std::vector<Slice>& slices) {
  for (size_t i = 0; i < slices.size(); ++i)
    for (size_t other = 0; other < i; ++other)
      if (common_part(slices[i], slices[other]))
        return fmt::format("[{}]: found {}, wanted no overlap with {} of [{}]", i, to_string(slices[i]),
                           to_string(slices[other]), other);
  return {};
}

}  // namespace

std::optional<std::string> cover_problem(const Shape& shape, const std::vector<Slice>& slices) {
  const auto wanted = num_elements(shape);
  if (!wanted) return fmt::format(": found shape {}, wanted dims of 0 or more whose product is below 2^63", to_string(shape));
  if (slices.empty() || slices.size() > kMaxSlices || (*wanted == 0 && slices.size() > 1))
    return fmt::format(": found {} pieces, wanted 1 to {}", slices.size(), *wanted == 0 ? 1 : kMaxSlices);
  if (const auto problem = bounds_problem(shape, slices)) return problem;
  if (const auto problem = overlap_problem(slices)) return problem;
  int64_t covered = 0;  // without overlap it cannot pass `wanted`
  for (const auto& slice : slices) covered += *num_elements(slice.extent);
  if (covered == *wanted) return {};
  return fmt::format(": found {} elements in all pieces, wanted {} of {}", covered, *wanted, to_string(shape));
}

}  // namespace ingot::checkpoint
