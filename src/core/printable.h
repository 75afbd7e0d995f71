#pragma once

#include <string>
#include <string_view>

namespace ingot {

/// Text from a file for a one-line message: control characters escaped, bytes that are not UTF-8 replaced, cut after
/// `longest` bytes.
std::string printable(std::string_view text, size_t longest = 200);

/// The same in double quotes, after 80 bytes.
std::string in_quotes(std::string_view text);

}  // namespace ingot
