#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ingot {

/// Sizes of a tensor's dims, outermost first.
using Shape = std::vector<int64_t>;

/// Product of the dims, 1 for a scalar; nothing when a dim is negative or the product passes 2^63-1.
std::optional<int64_t> num_elements(const Shape& shape);

/// "[2, 3]", for messages.
std::string to_string(const Shape& shape);

}  // namespace ingot
