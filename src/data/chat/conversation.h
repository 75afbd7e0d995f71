#pragma once

#include <string>
#include <vector>

namespace ingot::data {

enum class Role { kSystem, kUser, kAssistant, kFunctionCall, kObservation };

/// One message of a conversation. A function call is an assistant's message too; an observation is a tool's answer.
struct Message {
  Role role = Role::kUser;
  std::string content;       // UTF-8
  bool is_label = true;      // an assistant's or function call's content counts in the loss
  bool operator==(const Message&) const = default;
};

/// A conversation as every handler gives it and every chat template takes it: a system message first if there is one.
struct Conversation {
  std::vector<Message> messages;
  std::string tools;  // JSON of the tools that the assistant may call; empty: none
  bool operator==(const Conversation&) const = default;
};

}  // namespace ingot::data
