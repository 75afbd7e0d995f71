#include "data/sft/formats.h"
#include "data/sft/record_error.h"

namespace ingot::data {
namespace {

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

void check_message(const Message& message) {
  const bool answer = message.role == Role::kAssistant;
  if (!is_blank(message.content) || !message.calls.empty()) return;
  if (answer) throw RecordError("an answer is empty");
  if (message.role == Role::kUser) throw RecordError("a question is empty");
}

}  // namespace

void check_messages(const Conversation& conversation) {
  const auto& messages = conversation.messages;
  if (messages.empty()) throw RecordError("no message");
  for (const auto& message : messages) check_message(message);
  if (messages.back().role != Role::kAssistant) throw RecordError("the last message has no answer");
}

}  // namespace ingot::data
