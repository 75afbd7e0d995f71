#include "core/slice.h"

#include <algorithm>

namespace ingot {

Slice whole_of(const Shape& shape) { return {Shape(shape.size(), 0), shape}; }

bool lies_within(const Slice& slice, const Shape& shape) {
  if (slice.offset.size() != shape.size() || slice.extent.size() != shape.size()) return false;
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    const int64_t offset = slice.offset[dim], extent = slice.extent[dim];
    if (offset < 0 || extent < 0 || offset > shape[dim] || extent > shape[dim] - offset) return false;
  }
  return true;
}

std::optional<Slice> common_part(const Slice& a, const Slice& b) {
  Slice common;
  for (size_t dim = 0; dim < a.offset.size(); ++dim) {
    const int64_t begin = std::max(a.offset[dim], b.offset[dim]);
    const int64_t end = std::min(a.offset[dim] + a.extent[dim], b.offset[dim] + b.extent[dim]);
    if (begin >= end) return std::nullopt;
    common.offset.push_back(begin);
    common.extent.push_back(end - begin);
  }
  return common;
}

std::string to_string(const Slice& slice) {
  std::string text = "[";
  for (size_t dim = 0; dim < slice.offset.size(); ++dim)
    text += (dim ? ", " : "") + std::to_string(slice.offset[dim]) + ":" + std::to_string(slice.offset[dim] + slice.extent[dim]);
  return text + "]";
}

}  // namespace ingot
