#pragma once

#include <string_view>

namespace ingot {

/// True for well-formed UTF-8.
bool is_utf8(std::string_view text);

}  // namespace ingot
