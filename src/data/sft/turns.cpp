// Conversations whose turns are no messages: UltraChat's list of texts, XTuner's list of inputs and outputs.
#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {

Conversation read_ultrachat(const JsonValue& record) {
  Conversation conversation;
  for (const JsonValue& text : list_of(require_member(record, "data"), "data")) {
    const Role role = conversation.messages.size() % 2 == 0 ? Role::kUser : Role::kAssistant;
    conversation.messages.push_back({role, text_of(text, "a text of data")});
  }
  return conversation;
}

Conversation read_xtuner(const JsonValue& record) {
  Conversation conversation;
  for (const JsonValue& turn : list_of(require_member(record, "conversation"), "conversation")) {
    const std::string system = optional_text(object_of(turn, "a turn"), "system");
    if (!system.empty()) conversation.messages.push_back({Role::kSystem, system});
    conversation.messages.push_back({Role::kUser, text_of(require_member(turn, "input"), "input")});
    const JsonValue* loss = find_member(turn, "output_with_loss");
    const bool silent = loss && loss->kind == JsonValue::Kind::kBool && loss->text == "false";
    conversation.messages.push_back({Role::kAssistant, text_of(require_member(turn, "output"), "output"), silent ? 0.0 : 1.0});
  }
  return conversation;
}

}  // namespace ingot::data
