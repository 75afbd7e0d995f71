#include <fmt/format.h>

#include <algorithm>

#include "core/json.h"
#include "core/printable.h"
#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace dom = simdjson::dom;
namespace {

/// The texts of a content that is a list of parts, as multimodal data has it.
std::string join_parts(dom::array parts, const std::string& name) {
  std::string text;
  for (const dom::element part : parts) {
    const dom::object object = object_of(part, "a part of " + name);
    if (optional_text(object, "type") != "text") throw RecordError("a part of " + name + " is not text");
    text += text_of(require_member(object, "text"), "text");
  }
  return text;
}

std::string content_of(dom::object message, const std::string& name) {
  const auto content = find_member(message, name);
  if (!content) return {};
  return content->is_array() ? join_parts(array_of(*content, name), name) : text_of(*content, name);
}

std::string json_string(const std::string& text) { return Json(text).dump(); }

/// {"name", "arguments"} of one call; arguments that are JSON in a text are taken out of it.
std::string call_json(dom::element call) {
  const dom::object object = object_of(call, "a tool call");
  const auto inner = find_member(object, "function");
  const dom::object function = inner ? object_of(*inner, "function") : object;
  const std::string name = text_of(require_member(function, "name"), "name");
  std::string arguments = optional_json(function, "arguments");
  dom::parser parser;
  dom::element parsed;
  if (arguments.empty()) arguments = "{}";
  else arguments = parser.parse(arguments).get(parsed) == simdjson::SUCCESS ? simdjson::minify(parsed) : json_string(arguments);
  return fmt::format(R"({{"name": {}, "arguments": {}}})", json_string(name), arguments);
}

std::string calls_json(dom::element calls) {
  std::vector<std::string> all;
  for (const dom::element call : array_of(calls, "tool_calls")) all.push_back(call_json(call));
  return all.size() == 1 ? all[0] : fmt::format("[{}]", fmt::join(all, ", "));
}

bool is_one_of(const std::string& word, const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Role role_of(const std::string& role, const MessageNames& names) {
  if (is_one_of(role, names.user)) return Role::kUser;
  if (is_one_of(role, names.assistant)) return Role::kAssistant;
  if (is_one_of(role, names.system)) return Role::kSystem;
  if (is_one_of(role, names.observation)) return Role::kObservation;
  if (is_one_of(role, names.function_call)) return Role::kFunctionCall;
  throw RecordError("a message's " + names.role + " is none that is known", in_quotes(role));
}

/// OpenAI's mark of an answer that is not trained on.
bool has_no_weight(dom::object message) {
  const auto weight = find_member(message, "weight");
  double value = 1;
  return weight && weight->get(value) == simdjson::SUCCESS && value == 0;
}

Message read_message(dom::element element, const MessageNames& names) {
  const dom::object object = object_of(element, "a message");
  Message message;
  message.role = role_of(text_of(require_member(object, names.role), names.role), names);
  message.content = content_of(object, names.content);
  message.is_label = !has_no_weight(object);
  const auto calls = find_member(object, "tool_calls");
  if (message.role != Role::kAssistant || !calls || (calls->is_array() && array_of(*calls, "").size() == 0)) return message;
  if (!message.content.empty()) throw RecordError("an answer has text beside its tool_calls");
  return {Role::kFunctionCall, calls_json(*calls), message.is_label};
}

/// One name, or the usual ones.
std::vector<std::string> tags(const MapKeys& keys, const std::string& key, std::vector<std::string> usual) {
  return keys.has(key) ? std::vector<std::string>{keys.name(key, "")} : usual;
}

}  // namespace

MessageNames MessageNames::sharegpt(const MapKeys& keys) {
  return {.messages = keys.name("messages", "conversations"),
          .role = keys.name("tags.role_tag", "from"),
          .content = keys.name("tags.content_tag", "value"),
          .user = tags(keys, "tags.user_tag", {"human", "user"}),
          .assistant = tags(keys, "tags.assistant_tag", {"gpt", "assistant"}),
          .system = tags(keys, "tags.system_tag", {"system"}),
          .observation = tags(keys, "tags.observation_tag", {"observation", "tool"}),
          .function_call = tags(keys, "tags.function_tag", {"function_call"}),
          .system_column = keys.name("system", "system"),
          .tools = keys.name("tools", "tools")};
}

MessageNames MessageNames::openai(const MapKeys& keys) {
  return {.messages = keys.name("messages", "messages"),
          .role = keys.name("tags.role_tag", "role"),
          .content = keys.name("tags.content_tag", "content"),
          .user = tags(keys, "tags.user_tag", {"user"}),
          .assistant = tags(keys, "tags.assistant_tag", {"assistant"}),
          .system = tags(keys, "tags.system_tag", {"system", "developer"}),
          .observation = tags(keys, "tags.observation_tag", {"tool", "function", "observation"}),
          .function_call = tags(keys, "tags.function_tag", {"function_call"}),
          .system_column = keys.name("system", "system"),
          .tools = keys.name("tools", "tools")};
}

Conversation read_messages(dom::object record, const MessageNames& names) {
  Conversation conversation;
  conversation.tools = optional_json(record, names.tools);
  const std::string system = optional_text(record, names.system_column);
  if (!system.empty()) conversation.messages.push_back({Role::kSystem, system});
  for (const dom::element message : array_of(require_member(record, names.messages), names.messages))
    conversation.messages.push_back(read_message(message, names));
  auto& messages = conversation.messages;  // a system message of nothing is none
  if (!messages.empty() && messages[0].role == Role::kSystem && messages[0].content.empty()) messages.erase(messages.begin());
  return conversation;
}

}  // namespace ingot::data
