#pragma once

#include <optional>
#include <string>

#include "core/shape.h"

namespace ingot {

/// A box of a tensor: in each dim the elements from `offset` on, `extent` of them. A scalar has no dims.
struct Slice {
  Shape offset, extent;  // [dims] each
  bool operator==(const Slice&) const = default;
};

/// The slice that holds all of a tensor.
Slice whole_of(const Shape& shape);

/// Whether the slice has the tensor's dims and lies within them.
bool lies_within(const Slice& slice, const Shape& shape);

/// What two slices of one tensor have in common; nothing when they share no element.
std::optional<Slice> common_part(const Slice& a, const Slice& b);

/// "[0:2, 4:8]", for messages and names.
std::string to_string(const Slice& slice);

}  // namespace ingot
