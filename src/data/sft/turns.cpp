// Conversations whose turns are no messages: UltraChat's and LIMA's list of texts, XTuner's and Firefly's lists of questions and answers.
#include "data/sft/answer_weight.h"
#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {

Conversation read_texts(const JsonValue& record, const std::string& list) {
  Conversation conversation;
  for (const JsonValue& text : list_of(require_member(record, list), list)) {
    const Role role = conversation.messages.size() % 2 == 0 ? Role::kUser : Role::kAssistant;
    conversation.messages.push_back({role, text_of(text, "a text of " + list)});
  }
  return conversation;
}

const std::vector<TurnNames>& TurnNames::known() {
  static const std::vector<TurnNames> names{{"xtuner", "input", "output"}, {"firefly_turns", "human", "assistant"}, {"coig_turns", "question", "answer"}};
  return names;
}

Conversation read_turns(const JsonValue& record, const std::string& list, const TurnNames& names) {
  Conversation conversation;
  for (const JsonValue& turn : list_of(require_member(record, list), list)) {
    const std::string system = optional_text(object_of(turn, "a turn"), "system");
    if (!system.empty()) conversation.messages.push_back({Role::kSystem, system});
    conversation.messages.push_back({Role::kUser, text_of(require_member(turn, names.question), names.question)});
    const JsonValue* loss = find_member(turn, "output_with_loss");
    conversation.messages.push_back({Role::kAssistant, text_of(require_member(turn, names.answer), names.answer), loss ? weight_of(*loss) : weight_in(turn, Role::kAssistant)});
  }
  return conversation;
}

}  // namespace ingot::data
