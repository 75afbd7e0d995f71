#pragma once

#include <string>
#include <string_view>

#include "core/json_value.h"

namespace ingot::data {

/// JSON as Python's json.dumps(json.loads(text), ensure_ascii=False, indent=indent) writes it, which is what templates
/// were made with; no indent when negative. Numbers are written as python_number does.
std::string python_json(const JsonValue& value, int indent = -1);

/// A JSON number as Python writes it: integers of any size digit by digit, others as the shortest digits that read back
/// as the same double. One whose digits no double holds, 0.1234567890123456789 or 1e400, stays as it was written.
std::string python_number(const std::string& number);

}  // namespace ingot::data
