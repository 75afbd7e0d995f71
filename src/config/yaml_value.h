#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ingot::config {

/// The number that all of the text is; nothing for another text, and for one that int64_t cannot hold.
std::optional<int64_t> whole_number(const std::string& text);

/// Whether all of the text is one number.
bool is_number(const std::string& text);

/// As a value in YAML: a number, a switch or a list as it is, a text in quotes.
std::string yaml_value(const std::string& text);

}  // namespace ingot::config
