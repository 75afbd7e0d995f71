#pragma once

#include <vector>

#include "core/json_value.h"
#include "data/chat/conversation.h"

namespace ingot::data {

/// The calls of OpenAI's "tool_calls", or those that a function call's text states: an object {"name", "arguments"} or
/// {"id", "function": {"name", "arguments"}}, or a list of them. Arguments are an object, its JSON text, or absent: {}.
/// Throws RecordError.
std::vector<ToolCall> read_tool_calls(const JsonValue& calls);

/// The same of a function call's content.
std::vector<ToolCall> read_tool_calls(const std::string& content);

}  // namespace ingot::data
