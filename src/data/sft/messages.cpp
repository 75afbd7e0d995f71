#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/printable.h"
#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"
#include "data/sft/tool_calls.h"

namespace ingot::data {
namespace {

/// The texts of a content that is a list of parts, as multimodal data has it.
std::string join_parts(const std::vector<JsonValue>& parts, const std::string& name) {
  std::string text;
  for (const JsonValue& part : parts) {
    object_of(part, "a part of " + name);
    if (optional_text(part, "type") != "text") throw RecordError("a part of " + name + " is not text");
    text += text_of(require_member(part, "text"), "text");
  }
  return text;
}

std::string content_of(const JsonValue& content, const std::string& name) {
  return content.is_list() ? join_parts(content.items, name) : text_of(content, name);
}

bool is_one_of(const std::string& word, const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Role role_of(const std::string& role, const MessageNames& names) {
  if (is_one_of(role, names.user)) return Role::kUser;
  if (is_one_of(role, names.assistant) || is_one_of(role, names.function_call)) return Role::kAssistant;
  if (is_one_of(role, names.system)) return Role::kSystem;
  if (is_one_of(role, names.observation)) return Role::kObservation;
  throw RecordError("a message's " + names.role + " is none that is known", in_quotes(role));
}

/// OpenAI's mark of an answer that is not trained on, 0; a fraction is a share of the loss.
double weight_of(const JsonValue& message) {
  const JsonValue* weight = find_member(message, "weight");
  if (!weight) return 1;
  if (weight->kind == JsonValue::Kind::kBool) return weight->text == "true" ? 1 : 0;
  const double value = weight->kind == JsonValue::Kind::kNumber ? std::strtod(weight->text.c_str(), nullptr) : -1;
  if (!(value >= 0 && value <= 1)) throw RecordError("a message's weight is no number from 0 to 1", weight->text);
  return value;
}

Message read_message(const JsonValue& object, const MessageNames& names) {
  object_of(object, "a message");
  const JsonValue *role = find_member(object, names.role), *content = find_member(object, names.content);
  if (!role) throw RecordError(names.role + " is absent, not text");
  Message message{.role = role_of(text_of(*role, names.role), names), .weight = weight_of(object)};
  if (content) message.content = content_of(*content, names.content);
  if (is_one_of(role->text, names.function_call)) message.calls = read_tool_calls(std::exchange(message.content, {}));
  const JsonValue* calls = find_member(object, "tool_calls");
  if (calls && message.role == Role::kAssistant)
    for (auto& call : read_tool_calls(*calls)) message.calls.push_back(std::move(call));
  const bool may_lack_content = !message.calls.empty() || message.role == Role::kObservation;
  if (!content && !may_lack_content) throw RecordError(names.content + " is absent, not text");
  message.call_id = optional_text(object, "tool_call_id");
  message.name = optional_text(object, "name");
  message.reasoning = optional_text(object, "reasoning_content");
  return message;
}

/// A function call that is a message of its own belongs to the answer in front of it.
void add_message(Message message, std::vector<Message>& to) {
  const bool only_calls = !message.calls.empty() && message.content.empty() && message.reasoning.empty();
  if (!only_calls || to.empty() || to.back().role != Role::kAssistant || to.back().weight != message.weight)
    return to.push_back(std::move(message));
  for (auto& call : message.calls) to.back().calls.push_back(std::move(call));
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
          .observation = tags(keys, "tags.observation_tag", {"tool", "function", "observation", "ipython"}),
          .function_call = tags(keys, "tags.function_tag", {"function_call"}),
          .system_column = keys.name("system", "system"),
          .tools = keys.name("tools", "tools")};
}

Conversation read_messages(const JsonValue& record, const MessageNames& names) {
  Conversation conversation;
  conversation.tools = optional_list(record, names.tools);
  const std::string system = optional_text(record, names.system_column);
  if (!system.empty()) conversation.messages.push_back({Role::kSystem, system});
  size_t number = 0;
  for (const JsonValue& message : list_of(require_member(record, names.messages), names.messages)) {
    ++number;
    try {
      add_message(read_message(message, names), conversation.messages);
    } catch (RecordError& error) {
      error.place = fmt::format("message {}", number);
      throw;
    }
  }
  return conversation;
}

}  // namespace ingot::data
