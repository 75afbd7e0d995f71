#pragma once

#include <string>

#include "core/json.h"
#include "data/chat/conversation.h"

namespace ingot::data {

/// A conversation from a list of messages, or an object with "messages" and "tools", as chat APIs have them: {"role",
/// "content"} with roles system, user, assistant and tool (also function_call, observation, ipython), an assistant's
/// "tool_calls", and "weight": 0 for an answer that is no label. Throws DataError naming `where` and the message.
Conversation read_chat_messages(const Json& value, const std::string& where);

}  // namespace ingot::data
