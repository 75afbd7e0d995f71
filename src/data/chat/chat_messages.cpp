#include "data/chat/chat_messages.h"

#include <fmt/format.h>

#include <optional>

#include "core/error.h"
#include "core/printable.h"

namespace ingot::data {
namespace {

std::optional<Role> role_of(const std::string& name) {
  constexpr std::pair<std::string_view, Role> kRoles[] = {
      {"system", Role::kSystem},           {"user", Role::kUser},        {"assistant", Role::kAssistant},
      {"function_call", Role::kFunctionCall}, {"tool", Role::kObservation}, {"ipython", Role::kObservation},
      {"observation", Role::kObservation}};
  for (const auto& [word, role] : kRoles)
    if (word == name) return role;
  return std::nullopt;
}

[[noreturn]] void refuse(const std::string& where, const std::string& field, const Json& found, const char* wanted) {
  throw DataError(fmt::format("{}: {}: found {}, wanted {}", where, field, found.is_string() ? in_quotes(found.get<std::string>())
                                                                                            : found.type_name(), wanted));
}

const Json& member(const Json& object, const char* name) {
  static const Json kNone;
  const auto found = object.find(name);
  return found == object.end() ? kNone : *found;
}

/// The calls as JSON, each {"name", "arguments"}; one alone is no list.
std::string calls_of(const Json& calls, const std::string& where) {
  if (!calls.is_array()) refuse(where, "tool_calls", calls, "a list");
  Json read = Json::array();
  for (const auto& call : calls) {
    const Json& function = call.is_object() && call.contains("function") ? call["function"] : call;
    if (!function.is_object()) refuse(where, "tool_calls", function, "objects with name and arguments");
    read.push_back({{"name", member(function, "name")}, {"arguments", member(function, "arguments")}});
  }
  return (read.size() == 1 ? read[0] : read).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void read_message(const Json& value, const std::string& where, Conversation& to) {
  if (!value.is_object()) refuse(where, "message", value, "an object with role and content");
  const Json& role_name = member(value, "role");
  const auto role = role_name.is_string() ? role_of(role_name.get<std::string>()) : std::nullopt;
  if (!role) refuse(where, "role", role_name, "system, user, assistant, function_call or tool");
  const Json &content = member(value, "content"), &calls = member(value, "tool_calls"), &weight = member(value, "weight");
  const bool has_calls = *role == Role::kAssistant && !calls.is_null() && !calls.empty();
  if (!content.is_string() && !(content.is_null() && has_calls)) refuse(where, "content", content, "a text");
  if (!weight.is_null() && !weight.is_number()) refuse(where, "weight", weight, "0 or 1");
  const bool is_label = weight.is_null() || weight.get<double>() != 0;
  const std::string text = content.is_string() ? content.get<std::string>() : "";
  if (!text.empty() || !has_calls) to.messages.push_back({*role, text, is_label});
  if (has_calls) to.messages.push_back({Role::kFunctionCall, calls_of(calls, where), is_label});
}

}  // namespace

Conversation read_chat_messages(const Json& value, const std::string& where) {
  const Json& messages = value.is_object() ? member(value, "messages") : value;
  if (!messages.is_array()) refuse(where, "messages", messages, "a list of messages, or an object with one");
  Conversation conversation;
  for (size_t i = 0; i < messages.size(); ++i)
    read_message(messages[i], fmt::format("{}, message {}", where, i + 1), conversation);
  if (!value.is_object()) return conversation;
  const Json& tools = member(value, "tools");
  if (!tools.is_null() && !tools.is_array()) refuse(where, "tools", tools, "a list");
  if (!tools.empty()) conversation.tools = tools.dump(-1, ' ', false, Json::error_handler_t::replace);
  return conversation;
}

}  // namespace ingot::data
