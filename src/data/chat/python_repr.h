#pragma once

#include <string>

#include "core/json_value.h"

namespace ingot::data {

/// What Python's repr writes of a value that json.loads read: 'text', 1.5, True, None, [1], {'key': 2}. Numbers are
/// written as python_number does.
std::string python_repr(const JsonValue& value);

}  // namespace ingot::data
