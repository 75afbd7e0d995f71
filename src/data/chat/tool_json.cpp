#include "data/chat/tool_json.h"

#include <fmt/format.h>


#include "core/error.h"

namespace ingot::data {
namespace {

/// Python's repr: the shortest digits that read back as the same number.
std::string python_float(double value) {
  const std::string text = fmt::format("{}", value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

class PythonJson {
 public:
  explicit PythonJson(int indent) : indent_(indent) {}

  void write(const Json& value, int depth) {
    if (value.is_object()) write_items(value, depth, '{', '}');
    else if (value.is_array()) write_items(value, depth, '[', ']');
    else if (value.is_number_float()) text_ += python_float(value.get<double>());
    else text_ += value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  std::string take() { return std::move(text_); }

 private:
  void write_items(const Json& value, int depth, char open, char close) {
    text_ += open;
    bool first = true;
    for (const auto& [key, item] : value.items()) {
      if (!first) text_ += indent_ < 0 ? ", " : ",";
      first = false;
      break_line(depth + 1);
      if (value.is_object()) text_ += Json(key).dump(-1, ' ', false, Json::error_handler_t::replace) + ": ";
      write(item, depth + 1);
    }
    if (!first) break_line(depth);
    text_ += close;
  }

  void break_line(int depth) {
    if (indent_ >= 0) text_.append("\n").append(static_cast<size_t>(indent_ * depth), ' ');
  }

  int indent_;
  std::string text_;
};

/// JSON within a text; the message is the same for every text that is none.
Json parse_part(const std::string& text, const std::string& what) {
  try {
    return parse_json(text, what);
  } catch (const DataError&) {
    throw DataError(what + " are not valid JSON");
  }
}

ToolCall read_call(const Json& call, const std::string& where) {
  if (!call.is_object() || !call.contains("name") || !call["name"].is_string() || !call.contains("arguments"))
    throw DataError(where + ": a function call is no object with \"name\" and \"arguments\"");
  ToolCall read{call["name"].get<std::string>(), call["arguments"]};
  if (read.arguments.is_string())
    read.arguments = parse_part(read.arguments.get<std::string>(), where + ": a function call's arguments");
  if (!read.arguments.is_object()) throw DataError(where + ": a function call's arguments are no object");
  return read;
}

}  // namespace

std::string python_json(const Json& value, int indent) {
  PythonJson writer(indent);
  writer.write(value, 0);
  return writer.take();
}

std::vector<ToolCall> read_tool_calls(const std::string& content, const std::string& where) {
  const Json calls = parse_part(content, where + ": a function call's contents");
  std::vector<ToolCall> read;
  if (!calls.is_array()) return {read_call(calls, where)};
  for (const auto& call : calls) read.push_back(read_call(call, where));
  if (read.empty()) throw DataError(where + ": a list of no function calls");
  return read;
}

std::vector<Json> read_tools(const std::string& tools, const std::string& where) {
  if (tools.empty()) return {};
  const Json list = parse_part(tools, where + ": tools");
  if (!list.is_array()) throw DataError(where + ": tools are no JSON list");
  return std::vector<Json>(list.begin(), list.end());
}

}  // namespace ingot::data
