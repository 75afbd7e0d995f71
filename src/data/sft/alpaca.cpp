#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

void add_history(const JsonValue& history, const std::string& name, Conversation& conversation) {
  for (const JsonValue& pair : list_of(history, name)) {
    const auto& items = list_of(pair, "an entry of " + name);
    if (items.size() != 2) throw RecordError("an entry of " + name + " is not a pair of question and answer");
    conversation.messages.push_back({Role::kUser, text_of(items[0], "a question of " + name)});
    conversation.messages.push_back({Role::kAssistant, text_of(items[1], "an answer of " + name)});
  }
}

}  // namespace

Conversation read_alpaca(const JsonValue& record, const MapKeys& keys) {
  const std::string history = keys.name("history", "history");
  Conversation conversation;
  conversation.tools = optional_list(record, keys.name("tools", "tools"));
  const std::string system = optional_text(record, keys.name("system", "system"));
  if (!system.empty()) conversation.messages.push_back({Role::kSystem, system});
  if (const auto* earlier = find_member(record, history)) add_history(*earlier, history, conversation);
  std::string question = optional_text(record, keys.name("prompt", "instruction"));
  const std::string query = optional_text(record, keys.name("query", "input"));
  if (!question.empty() && !query.empty()) question += "\n";
  conversation.messages.push_back({Role::kUser, question + query});
  const std::string response = keys.name("response", "output");
  conversation.messages.push_back({Role::kAssistant, text_of(require_member(record, response), response)});
  return conversation;
}

}  // namespace ingot::data
