#pragma once

#include <string>
#include <vector>

#include "core/json_value.h"

namespace ingot::data {

enum class Role { kSystem, kUser, kAssistant, kObservation };

/// A call of a tool by the assistant. Arguments are an object; its numbers are as they were written.
struct ToolCall {
  std::string name;
  JsonValue arguments;
  std::string id = {};  // empty: none
  bool operator==(const ToolCall&) const = default;
};

/// One message of a conversation. An observation is a tool's answer.
struct Message {
  Role role = Role::kUser;
  std::string content = {};           // UTF-8
  double weight = 1;                  // of an answer's tokens in the loss; 0: they are never labels
  std::vector<ToolCall> calls = {};   // the assistant's, behind its content
  std::string call_id = {};           // of an observation: the id of the call that it answers
  std::string name = {};              // of who speaks, or of the tool
  std::string reasoning = {};         // the assistant's, in front of its content
  bool is_json = false;               // of an observation: it was no text, and content is its JSON
  bool masked = false;                // an earlier answer whose tokens are no labels
  bool operator==(const Message&) const = default;
};

/// A conversation as every handler gives it and every chat template takes it.
struct Conversation {
  std::vector<Message> messages;
  std::vector<JsonValue> tools = {};  // definitions of what the assistant may call
  bool operator==(const Conversation&) const = default;
};

/// The label weight of an answer that weighs 0: no option makes labels of it.
inline constexpr float kSilent = -1;

/// The weight in the loss of what a message says: only the assistant's has one.
inline float label_weight(const Message& message) {
  if (message.role != Role::kAssistant) return 0;
  return message.weight == 0 ? kSilent : message.masked ? 0 : static_cast<float>(message.weight);
}

}  // namespace ingot::data
