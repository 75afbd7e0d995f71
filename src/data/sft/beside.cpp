// The system message and the tools that stand beside a talk, whatever its format.
#include <algorithm>
#include <utility>

#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

constexpr const char* kFunctions = "functions";         // OpenAI's older name
constexpr const char* kSystemPrompt = "system_prompt";  // OpenOrca's

bool is_empty(const JsonValue& record, const std::string& name) {
  const JsonValue* found = find_member(record, name);
  return !found || (found->is_text() && found->text.empty());
}

/// The column is a list, which with_lists_read has read; a text of that name is somebody's own.
bool has_functions(const JsonValue& record) {
  const JsonValue* found = find_member(record, kFunctions);
  return found && found->is_list();
}

JsonValue without_wrapper(const JsonValue& tool) {
  const JsonValue* function = find_member(tool, "function");
  return function ? *function : tool;
}

/// The definitions; OpenAI's functions are tools without a wrapper.
std::vector<JsonValue> tools_of(const JsonValue& record, const std::string& name) {
  auto tools = tool_definitions(record, name);
  if (!tools.empty() || !has_functions(record)) return tools;
  for (auto& function : tool_definitions(record, kFunctions))
    tools.push_back({JsonValue::Kind::kObject, {}, {"type", "function"}, {{JsonValue::Kind::kText, "function", {}, {}}, std::move(function)}});
  return tools;
}

void add_system(const std::string& system, const std::string& name, std::vector<Message>& messages) {
  const bool has_one = !messages.empty() && messages[0].role == Role::kSystem;
  if (has_one && messages[0].content != system)
    throw RecordError("the column " + name + " and the system message in the talk differ; ignore_fields: [" + name + "] trains the latter");
  if (!has_one) messages.insert(messages.begin(), {Role::kSystem, system});
}

}  // namespace

std::vector<JsonValue> tool_definitions(const JsonValue& object, const std::string& name) {
  auto tools = optional_list(object, name);
  for (JsonValue& tool : tools) try {
    if (tool.is_text()) tool = parse_json_value(tool.text, name);
    object_of(tool, "an entry of " + name);
  } catch (const DataError&) {
    throw RecordError("an entry of " + name + " is no JSON object");
  }
  return tools;
}

void refuse_two_sets_of_tools(const std::vector<JsonValue>& some, const std::vector<JsonValue>& others, const std::string& reason) {
  const auto is_same = [](const JsonValue& one, const JsonValue& other) { return without_wrapper(one) == without_wrapper(other); };
  if (!some.empty() && !others.empty() && !std::equal(some.begin(), some.end(), others.begin(), others.end(), is_same)) throw RecordError(reason);
}

BesideNames BesideNames::of(const JsonValue& record, const MapKeys& keys) {
  BesideNames names{keys.name("system", "system"), keys.name("tools", "tools")};
  if (keys.has("system") || is_empty(record, kSystemPrompt)) return names;
  if (is_empty(record, names.system)) names.system = kSystemPrompt;
  else if (*find_member(record, names.system) != *find_member(record, kSystemPrompt))
    throw RecordError("the columns system and system_prompt differ; ignore_fields: [system_prompt] trains the former");
  return names;
}

std::vector<std::string> BesideNames::used(const JsonValue& record) const {
  std::vector<std::string> columns{system, tools};
  const JsonValue *one = find_member(record, system), *other = find_member(record, kSystemPrompt);
  if (one && other && *one == *other) columns.push_back(kSystemPrompt);
  if (!tools.empty() && has_functions(record) && tool_definitions(record, tools).empty()) columns.push_back(kFunctions);
  return columns;
}

void add_beside(const JsonValue& record, const BesideNames& names, Conversation& conversation) {
  if (!names.tools.empty())
    if (auto tools = tools_of(record, names.tools); !tools.empty()) {
      refuse_two_sets_of_tools(conversation.tools, tools,
                               "the column " + names.tools + " and the tools of the system message differ; ignore_fields: [" + names.tools + "] trains neither");
      conversation.tools = std::move(tools);
    }
  if (const std::string system = names.system.empty() ? "" : optional_text(record, names.system); !system.empty())
    add_system(system, names.system, conversation.messages);
}

}  // namespace ingot::data
