#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

bool is_one_of(std::string_view word, const std::vector<std::string>& words);

/// Letters of ASCII in lower case, other bytes as they are.
std::string lower_case(std::string text);

}  // namespace ingot
