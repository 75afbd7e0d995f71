#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/printable.h"
#include "core/words.h"
#include "data/chat/python_json.h"
#include "data/sft/answer_weight.h"
#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"
#include "data/sft/tool_calls.h"

namespace ingot::data {
namespace {

Role role_of(const std::string& role, const MessageNames& names) {
  if (is_one_of(role, names.user)) return Role::kUser;
  if (is_one_of(role, names.assistant) || is_one_of(role, names.function_call)) return Role::kAssistant;
  if (is_one_of(role, names.system)) return Role::kSystem;
  if (is_one_of(role, names.observation)) return Role::kObservation;
  throw RecordError("a message's " + names.role + " is none that is known", in_quotes(role));
}

void add_calls(const JsonValue& calls, Message& message) {
  for (auto& call : read_tool_calls(calls)) message.calls.push_back(std::move(call));
}

/// A part of a content: {"type": "text", "text"} of OpenAI's, {"type", "value"} of LLaMA-Factory's.
void add_part(const JsonValue& part, const std::string& name, Message& message) {
  const std::string type = optional_text(object_of(part, "a part of " + name), "type");
  const auto value = [&](const char* usual) -> const JsonValue& {
    const JsonValue* found = find_member(part, usual);
    return found ? *found : require_member(part, "value");
  };
  if (type == "text") message.content += text_of(value("text"), "text");
  else if (type == "reasoning" || type == "thinking") message.reasoning += text_of(value(type.c_str()), type);
  else if (type == "tool_call") add_calls(value("tool_call"), message);
  else throw RecordError("a part of " + name + " is not text", in_quotes(type));
}

bool is_list_of_parts(const JsonValue& content) {
  return content.is_list() && !content.items.empty() && std::all_of(content.items.begin(), content.items.end(), [](const JsonValue& item) {
           return item.kind == JsonValue::Kind::kObject && find_member(item, "type");
         });
}

/// What is said; a tool's answer that is no text is its JSON, as Python's json.dumps spells it.
void add_content(const JsonValue& content, const std::string& name, Message& message) {
  const bool is_parts = message.role == Role::kObservation ? is_list_of_parts(content) : content.is_list();
  if (is_parts)
    for (const JsonValue& part : content.items) add_part(part, name, message);
  else if (message.role == Role::kObservation && content.kind != JsonValue::Kind::kText) message.content = python_json(content), message.is_json = true;
  else message.content = text_of(content, name);
}

bool is_same_call(const ToolCall& one, const ToolCall& other) { return one.name == other.name && one.arguments == other.arguments; }

/// The calls, under OpenAI's two names of them.
void add_calls_beside(const JsonValue& object, Message& message) {
  const auto calls_in = [&](const char* name) {
    const JsonValue* calls = find_member(object, name);
    return calls ? read_tool_calls(*calls) : std::vector<ToolCall>{};
  };
  auto calls = calls_in("tool_calls"), older = calls_in("function_call");
  if (!calls.empty() && !older.empty() && !std::equal(calls.begin(), calls.end(), older.begin(), older.end(), is_same_call))
    throw RecordError("tool_calls and function_call of a message differ; ignore_fields: [function_call] trains the former");
  for (auto& call : calls.empty() ? older : calls) message.calls.push_back(std::move(call));
}

/// Calls and reasoning beside the content.
void read_beside(const JsonValue& object, Message& message) {
  add_calls_beside(object, message);
  if (message.role != Role::kAssistant && !message.calls.empty()) throw RecordError("tool calls stand in a message that is no answer");
  message.reasoning += reasoning_in(object, message.content);
  message.call_id = optional_name(object, "tool_call_id");
  message.name = optional_name(object, "name");
}

Message read_message(const JsonValue& object, const MessageNames& names) {
  object_of(object, "a message");
  const JsonValue *role = find_member(object, names.role), *content = find_member(object, names.content);
  if (!role) throw RecordError(names.role + " is absent, not text");
  Message message{.role = role_of(text_of(*role, names.role), names)};
  message.weight = weight_in(object, message.role);
  const bool is_call = is_one_of(role->text, names.function_call);
  if (content && is_call) add_calls(*content, message);
  else if (content) add_content(*content, names.content, message);
  if (is_call && message.calls.empty()) throw RecordError("a list of no function calls");
  read_beside(object, message);
  const bool may_lack_content = !message.calls.empty() || message.role == Role::kObservation;
  if (!content && !may_lack_content) throw RecordError(names.content + " is absent, not text");
  return message;
}

/// A function call that is a message of its own, as a speaker of calls says it, belongs to the answer in front of it.
void add_message(Message message, bool of_calls, std::vector<Message>& to) {
  if (!of_calls || to.empty() || to.back().role != Role::kAssistant || to.back().weight != message.weight)
    return to.push_back(std::move(message));
  for (auto& call : message.calls) to.back().calls.push_back(std::move(call));
}

/// What speakers are called, in any format.
const std::vector<std::string> kUsers{"user", "human"}, kAssistants{"assistant", "gpt", "chatgpt", "model", "bot"},
    kSystems{"system", "developer"}, kObservations{"tool", "function", "observation", "ipython", "tool_response"},
    kCalls{"function_call", "tool_call"};

MessageNames names_of(const MapKeys& keys, MessageNames names) {
  const auto tags = [&](const std::string& key, const std::vector<std::string>& usual) {
    return keys.has(key) ? std::vector<std::string>{keys.name(key, "")} : usual;
  };
  names.role = keys.name("tags.role_tag", names.role);
  names.content = keys.name("tags.content_tag", names.content);
  names.user = tags("tags.user_tag", kUsers);
  names.assistant = tags("tags.assistant_tag", kAssistants);
  names.system = tags("tags.system_tag", kSystems);
  names.observation = tags("tags.observation_tag", kObservations);
  names.function_call = tags("tags.function_tag", kCalls);
  return names;
}

/// GLM-4's own data has the definitions in the system message.
void add_tools_in_system(const JsonValue& message, Role role, std::vector<JsonValue>& to) {
  if (role != Role::kSystem) return;
  auto tools = tool_definitions(message, "tools");
  refuse_two_sets_of_tools(to, tools, "the tools of two system messages differ");
  if (to.empty()) to = std::move(tools);
}

}  // namespace

MessageNames MessageNames::sharegpt(const MapKeys& keys) {
  return names_of(keys, {.messages = keys.name("messages", "conversations"), .role = "from", .content = "value"});
}

MessageNames MessageNames::openai(const MapKeys& keys) {
  return names_of(keys, {.messages = keys.name("messages", "messages"), .role = "role", .content = "content"});
}

std::vector<std::string> MessageNames::fields_of(const JsonValue& message) const {
  std::vector<std::string> fields{role, content, "tool_calls", "function_call", "tool_call_id", "name"};
  for (const auto* more : {&kReasoningFields, &weight_fields()}) fields.insert(fields.end(), more->begin(), more->end());
  const JsonValue* speaker = find_member(message, role);
  if (speaker && is_one_of(speaker->text, system)) fields.push_back("tools");
  return fields;
}

Conversation read_messages(const JsonValue& record, const MessageNames& names) {
  Conversation conversation;
  size_t number = 0;
  for (const JsonValue& message : list_of(require_member(record, names.messages), names.messages)) {
    ++number;
    try {
      add_message(read_message(message, names), is_one_of(optional_text(message, names.role), names.function_call), conversation.messages);
      add_tools_in_system(message, conversation.messages.back().role, conversation.tools);
    } catch (RecordError& error) {
      error.place = fmt::format("message {}", number);
      throw;
    }
  }
  return conversation;
}

}  // namespace ingot::data
