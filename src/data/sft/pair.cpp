#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

void add_history(const JsonValue& history, const std::string& name, std::vector<Message>& to) {
  for (const JsonValue& pair : list_of(history, name)) {
    const auto& items = list_of(pair, "an entry of " + name);
    if (items.size() != 2) throw RecordError("an entry of " + name + " is not a pair of question and answer");
    to.push_back({Role::kUser, text_of(items[0], "a question of " + name)});
    to.push_back({Role::kAssistant, text_of(items[1], "an answer of " + name)});
  }
}

/// TRL's prompt and completion may be lists of messages.
void add_messages(const JsonValue& list, std::vector<Message>& to) {
  const JsonValue record{JsonValue::Kind::kObject, {}, {"messages"}, {list}};
  for (auto& message : read_messages(record, MessageNames::openai({})).messages) to.push_back(std::move(message));
}

bool is_list(const JsonValue& record, const std::string& name) {
  const JsonValue* found = find_member(record, name);
  return found && found->is_list();
}

}  // namespace

PairNames PairNames::alpaca(const MapKeys& keys) {
  return {"alpaca", keys.name("prompt", "instruction"), keys.name("query", "input"), keys.name("response", "output"),
          keys.name("history", "history"), keys.name("system", "system"), keys.name("tools", "tools")};
}

const std::vector<PairNames>& PairNames::known() {
  static const std::vector<PairNames> names{PairNames::alpaca({}),
                                            {"dolly", "instruction", "context", "response"},
                                            {"prompt_completion", "prompt", "", "completion"},
                                            {"query_response", "query", "", "response"},
                                            {"prompt_response", "prompt", "", "response"},
                                            {"question_answer", "question", "context", "answer"},
                                            {"question_response", "question", "", "response"},
                                            {"inputs_targets", "inputs", "", "targets"},
                                            {"input_output", "input", "", "output"},
                                            {"firefly", "input", "", "target"}};
  return names;
}

Conversation read_pair(const JsonValue& record, const PairNames& names) {
  Conversation conversation;
  auto& messages = conversation.messages;
  conversation.tools = optional_list(record, names.tools);
  const std::string system = optional_text(record, names.system);
  if (!system.empty()) messages.push_back({Role::kSystem, system});
  if (const auto* earlier = find_member(record, names.history)) add_history(*earlier, names.history, messages);
  if (is_list(record, names.question)) {
    add_messages(require_member(record, names.question), messages);
  } else {
    std::string question = optional_text(record, names.question);
    const std::string extra = optional_text(record, names.extra);
    if (!question.empty() && !extra.empty()) question += "\n";
    messages.push_back({Role::kUser, question + extra});
  }
  const JsonValue& answer = require_member(record, names.answer);
  if (answer.is_list()) add_messages(answer, messages);
  else messages.push_back({Role::kAssistant, text_of(answer, names.answer)});
  return conversation;
}

}  // namespace ingot::data
