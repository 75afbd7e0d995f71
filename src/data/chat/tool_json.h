#pragma once

#include <string>
#include <vector>

#include "core/json.h"

namespace ingot::data {

/// JSON as Python's json.dumps(value, ensure_ascii=False, indent=indent) writes it, which is what templates were made
/// with; no indent when negative.
std::string python_json(const Json& value, int indent = -1);

/// A call of a tool.
struct ToolCall {
  std::string name;
  Json arguments;
};

/// The calls that a function call's content states: {"name": ..., "arguments": {...}}, or a list of those. Arguments
/// may be an object's JSON text. Throws DataError, with `where` in front and one of few texts.
std::vector<ToolCall> read_tool_calls(const std::string& content, const std::string& where);

/// The list that Conversation::tools holds; empty when there are none. Throws DataError, with `where` in front.
std::vector<Json> read_tools(const std::string& tools, const std::string& where);

}  // namespace ingot::data
