#pragma once

#include <simdjson.h>

#include <string>
#include <vector>

#include "data/chat/conversation.h"
#include "data/sft/map_keys.h"

namespace ingot::data {

/// {"instruction", "input", "output", "system", "history": [[question, answer], ...]}. The question is instruction and
/// input on lines of their own. Source: CONTRACT §4.1.
Conversation read_alpaca(simdjson::dom::object record, const MapKeys& keys);

/// What messages are called in one format.
struct MessageNames {
  std::string messages, role, content;
  std::vector<std::string> user, assistant, system, observation, function_call;
  std::string system_column, tools;  // beside the list
  static MessageNames sharegpt(const MapKeys& keys);
  static MessageNames openai(const MapKeys& keys);
};

/// {"conversations": [{"from", "value"}, ...], "system", "tools"} or {"messages": [{"role", "content"}, ...], "tools"}.
Conversation read_messages(simdjson::dom::object record, const MessageNames& names);

/// {"chat": {"turn_1": {"Human", "MOSS", ...}, ...}}, with the markers taken away; the record's meta_instruction and the
/// turns' thoughts, commands and tool responses are not used, as ModelArts' handlers do not.
Conversation read_moss(simdjson::dom::object record, const MapKeys& keys);

/// Refuses empty messages and an order that is not: a system message or none, then a user's or tool's message and the
/// assistant's in turn, an answer last. Throws RecordError.
void check_order(const Conversation& conversation);

}  // namespace ingot::data
