#include "data/sft/tool_calls.h"

#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

JsonValue parse_part(const std::string& text, const std::string& what) {
  try {
    return parse_json_value(text, what);
  } catch (const DataError&) {
    throw RecordError(what + " are not valid JSON");
  }
}

JsonValue arguments_of(const JsonValue& function) {
  const std::string what = "a function call's arguments";
  const JsonValue* found = find_member(function, "arguments");
  const bool none = !found || (found->is_text() && found->text.find_first_not_of(" \t\r\n") == std::string::npos);
  if (none) return {JsonValue::Kind::kObject, {}, {}, {}};
  JsonValue arguments = found->is_text() ? parse_part(found->text, what) : *found;
  if (!arguments.is_object()) throw RecordError(what + " are no object");
  return arguments;
}

ToolCall read_call(const JsonValue& call) {
  const JsonValue* inner = find_member(call, "function");
  const JsonValue& function = inner ? *inner : call;
  const JsonValue* name = find_member(function, "name");
  if (!name || !name->is_text()) throw RecordError("a function call is no object with \"name\" and \"arguments\"");
  return {name->text, arguments_of(function), optional_text(call, "id")};
}

}  // namespace

std::vector<ToolCall> read_tool_calls(const JsonValue& calls) {
  if (calls.is_text() && is_blank_cell(calls.text)) return {};
  if (calls.is_text()) return read_tool_calls(parse_part(calls.text, "a function call's contents"));
  if (calls.is_null() || (calls.is_object() && calls.items.empty())) return {};
  if (!calls.is_list()) return {read_call(calls)};
  std::vector<ToolCall> read;
  for (const JsonValue& call : calls.items) read.push_back(read_call(call.is_text() ? parse_part(call.text, "a function call's contents") : call));
  return read;
}

}  // namespace ingot::data
