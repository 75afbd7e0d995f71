#pragma once

#include <cstddef>
#include <cstdint>

#include "core/shape.h"

namespace ingot::checkpoint {

/// A view of elements that may lie apart and unaligned. Neither empty nor leaving its memory: the caller has checked.
struct StridedView {
  const Shape& shape;
  const Shape& strides;  // in elements
  uint64_t element_bytes = 0;
};

/// Copies the elements of a view whose first one is at `from` to `to`, row by row without gaps.
void copy_strided(const std::byte* from, const StridedView& view, std::byte* to);

}  // namespace ingot::checkpoint
