#pragma once

#include <string>

namespace ingot::config {

/// Whether all of the text is one number.
bool is_number(const std::string& text);

/// As a value in YAML: a number, a switch or a list as it is, a text in quotes.
std::string yaml_value(const std::string& text);

}  // namespace ingot::config
