#pragma once

#include <string>
#include <vector>

#include "data/chat/conversation.h"
#include "data/sft/map_keys.h"

namespace ingot::data {

/// {"instruction", "input", "output", "system", "history": [[question, answer], ...]}. The question is instruction and
/// input on lines of their own. Source: CONTRACT §4.1.
Conversation read_alpaca(const JsonValue& record, const MapKeys& keys);

/// What messages are called in one format.
struct MessageNames {
  std::string messages, role, content;
  std::vector<std::string> user, assistant, system, observation, function_call;
  std::string system_column, tools;  // beside the list
  static MessageNames sharegpt(const MapKeys& keys);
  static MessageNames openai(const MapKeys& keys);
};

/// {"conversations": [{"from", "value"}, ...], "system", "tools"} or {"messages": [{"role", "content"}, ...], "tools"}.
Conversation read_messages(const JsonValue& record, const MessageNames& names);

/// {"chat": {"turn_1": {"Human", "MOSS", ...}, ...}}, with the markers taken away; the record's meta_instruction and the
/// turns' thoughts, commands and tool responses are not used, as ModelArts' handlers do not.
Conversation read_moss(const JsonValue& record, const MapKeys& keys);

/// Refuses empty questions and answers, and a conversation that does not end with an answer; which orders of roles can be told is for
/// the template to say. Throws RecordError.
void check_messages(const Conversation& conversation);

}  // namespace ingot::data
