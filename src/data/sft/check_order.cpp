#include "data/sft/formats.h"
#include "data/sft/record_error.h"

namespace ingot::data {
namespace {

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

/// True for what the model says.
bool is_answer(Role role) { return role == Role::kAssistant || role == Role::kFunctionCall; }

void check_message(const Message& message, bool answer_expected) {
  if (message.role == Role::kSystem) throw RecordError("a system message that is not the first");
  if (is_answer(message.role) && !answer_expected) throw RecordError("an answer without a question before it");
  if (!is_answer(message.role) && answer_expected) throw RecordError("two messages of user or tool in a row");
  if (is_blank(message.content)) throw RecordError(is_answer(message.role) ? "an answer is empty" : "a question is empty");
}

}  // namespace

void check_order(const Conversation& conversation) {
  const auto& messages = conversation.messages;
  const size_t begin = !messages.empty() && messages[0].role == Role::kSystem ? 1 : 0;
  if (messages.size() == begin) throw RecordError("no message");
  if (messages[begin].role == Role::kObservation) throw RecordError("a tool's message before any question");
  for (size_t i = begin; i < messages.size(); ++i) check_message(messages[i], (i - begin) % 2 == 1);
  if (!is_answer(messages.back().role)) throw RecordError("the last message has no answer");
}

}  // namespace ingot::data
