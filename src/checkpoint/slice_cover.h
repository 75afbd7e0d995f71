#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/slice.h"

namespace ingot::checkpoint {

/// Why these slices are not a tensor of `shape` cut into pieces, in words such as "[1]: found [2:5], wanted a slice within
/// [4]"; nothing when each element lies in exactly one of them. An empty tensor is one whole piece, no other piece is empty.
std::optional<std::string> cover_problem(const Shape& shape, const std::vector<Slice>& slices);

}  // namespace ingot::checkpoint
