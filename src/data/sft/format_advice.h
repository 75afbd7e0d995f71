#pragma once

#include <string>

#include "core/json_value.h"

namespace ingot::data {

/// What helps with a record of no known format: its keys, and what to do about it where that can be told, such as the map_keys that
/// would fit.
std::string format_advice(const JsonValue& record);

}  // namespace ingot::data
