#pragma once

#include <vector>

#include "core/json_value.h"
#include "data/chat/conversation.h"

namespace ingot::data {

/// The calls of OpenAI's "tool_calls" or of a function call's content: an object {"name", "arguments"} or
/// {"id", "function": {"name", "arguments"}}, a list of them, or the JSON text of any of those. Arguments are an object, its JSON
/// text, or absent: {}. Throws RecordError.
std::vector<ToolCall> read_tool_calls(const JsonValue& calls);

}  // namespace ingot::data
