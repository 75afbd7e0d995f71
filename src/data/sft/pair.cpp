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

/// TRL's prompt and completion may be lists of messages; answers in the prompt are no labels.
void add_messages(const JsonValue& list, bool is_prompt, Conversation& to) {
  const JsonValue record{JsonValue::Kind::kObject, {}, {"messages"}, {list}};
  Conversation read = read_messages(record, MessageNames::openai({}));
  if (!read.tools.empty()) to.tools = std::move(read.tools);
  for (auto& message : read.messages) {
    message.masked = is_prompt && message.role == Role::kAssistant;
    to.messages.push_back(std::move(message));
  }
}

bool is_list(const JsonValue& record, const std::string& name) {
  const JsonValue* found = find_member(record, name);
  return found && found->is_list();
}

/// What stands beside the question and belongs to it.
std::string extra_of(const JsonValue& record, const PairNames& names) {
  std::string extra, column;
  for (const auto& name : names.extras) {
    if (name == names.question || name == names.answer) continue;
    const std::string text = optional_text(record, name);
    if (text.empty()) continue;
    if (!extra.empty()) throw RecordError("both " + column + " and " + name + " stand beside the question; ignore_fields: [" + name + "] trains without one");
    extra = text, column = name;
  }
  return extra;
}

}  // namespace

PairNames PairNames::alpaca(const MapKeys& keys) {
  PairNames names{.format = "alpaca", .question = keys.name("prompt", "instruction"), .answer = keys.name("response", "output")};
  if (keys.has("query")) names.extras = {keys.name("query", "")};
  names.history = keys.name("history", "history");
  return names;
}

const std::vector<PairNames>& PairNames::known() {
  static const std::vector<PairNames> names{PairNames::alpaca({}),
                                            {"dolly", "instruction", "response"},
                                            {"prompt_completion", "prompt", "completion"},
                                            {"query_response", "query", "response"},
                                            {"prompt_response", "prompt", "response"},
                                            {"question_answer", "question", "answer"},
                                            {"question_response", "question", "response"},
                                            {"inputs_targets", "inputs", "targets"},
                                            {"input_output", "input", "output"},
                                            {"instruction_target", "instruction", "target"},
                                            {"firefly", "input", "target"}};
  return names;
}

Conversation read_pair(const JsonValue& record, const PairNames& names) {
  Conversation conversation;
  auto& messages = conversation.messages;
  if (const auto* earlier = find_member(record, names.history)) add_history(*earlier, names.history, messages);
  if (is_list(record, names.question)) {
    add_messages(require_member(record, names.question), /*is_prompt=*/true, conversation);
  } else {
    std::string question = optional_text(record, names.question);
    const std::string extra = extra_of(record, names);
    if (!record.find(names.question) && extra.empty()) require_member(record, names.question);
    if (!question.empty() && !extra.empty()) question += "\n";
    messages.push_back({Role::kUser, question + extra});
  }
  const JsonValue& answer = require_member(record, names.answer);
  if (answer.is_list() && !answer.items.empty() && answer.items[0].is_text())
    throw RecordError(names.answer + " is a list of texts, wanted one text; two answers are a preference between them");
  if (answer.is_list()) add_messages(answer, /*is_prompt=*/false, conversation);
  else messages.push_back({Role::kAssistant, text_of(answer, names.answer)});
  if (!messages.empty()) messages.back().reasoning += reasoning_in(record, messages.back().content);  // a column's is the last answer's
  return conversation;
}

}  // namespace ingot::data
