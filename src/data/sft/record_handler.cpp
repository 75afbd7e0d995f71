#include "data/sft/record_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/problems.h"
#include "core/words.h"
#include "data/sft/answer_weight.h"
#include "data/sft/formats.h"
#include "data/sft/recognise_format.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"
#include "data/sft/record_meaning.h"

namespace ingot::data {
namespace {

/// ModelArts' names and ours.
const std::map<std::string, std::string> kNames{{"auto", "auto"},
                                                {"alpaca", "alpaca"},
                                                {"sharegpt", "sharegpt"},
                                                {"openai", "openai"},
                                                {"moss", "moss"},
                                                {"moss_per_turn", "moss_per_turn"},
                                                {"GeneralInstructionHandler", "alpaca"},
                                                {"AlpacaStyleInstructionHandler", "alpaca"},
                                                {"SharegptStyleInstructionHandler", "sharegpt"},
                                                {"LlamaFactoryInstructionHandler", "auto"},
                                                {"MOSSMultiTurnHandler", "moss"},
                                                {"MOSSInstructionHandler", "moss_per_turn"}};
const std::vector<std::string> kPretrainNames{"GeneralPretrainHandler"};

/// One conversation for every answer of the user's questions: what came before it is not a label.
std::vector<Conversation> one_per_turn(const Conversation& whole) {
  std::vector<Conversation> items;
  Conversation growing;
  growing.tools = whole.tools;
  for (const auto& message : whole.messages) {
    growing.messages.push_back(message);
    if (message.role != Role::kAssistant) continue;
    items.push_back(growing);
    growing.messages.back().masked = true;
  }
  return items;
}

JsonValue parse(std::string_view json) {
  try {
    return parse_json_value(json, "record");
  } catch (const DataError& error) {
    throw RecordError("not valid JSON", error.what());
  }
}

std::vector<std::string> unused_in(const JsonValue& record, const std::string& list, const MessageNames& names) {
  return unused_in_messages(record, list, [&](const JsonValue& message) { return names.fields_of(message); });
}

/// Takes `names` of an object for absent; those that say something go to `dropped` behind `prefix`.
void drop(JsonValue& object, const std::vector<std::string>& names, const std::string& prefix, std::vector<std::string>& dropped) {
  for (size_t i = 0; i < object.keys.size(); ++i) {
    if (object.items[i].is_null() || !is_one_of(object.keys[i], names)) continue;
    object.items[i] = {};
    const std::string shown = prefix + object.keys[i];
    if (!is_one_of(shown, dropped)) dropped.push_back(shown);
  }
}

/// The same of the record and of the messages in it.
std::vector<std::string> drop_fields(JsonValue& record, const std::vector<std::string>& names) {
  std::vector<std::string> dropped;
  if (names.empty()) return dropped;
  drop(record, names, "", dropped);
  for (size_t i = 0; i < record.keys.size(); ++i)
    if (record.items[i].is_list())
      for (JsonValue& message : record.items[i].items) drop(message, names, record.keys[i] + "[].", dropped);
  return dropped;
}

/// Reasoning that no field alone held; true when there was some.
bool clear_reasoning(Conversation& conversation) {
  bool found = false;
  for (auto& message : conversation.messages) found |= !std::exchange(message.reasoning, {}).empty();
  return found;
}

class FormatHandler : public RecordHandler {
 public:
  FormatHandler(std::string name, MapKeys keys, std::vector<std::string> ignored)
      : name_(std::move(name)), keys_(std::move(keys)), ignored_(std::move(ignored)) {}
  std::string_view name() const override { return name_; }

  HandledRecord handle(std::string_view json) const override {
    HandledRecord handled;
    JsonValue record;
    try {
      record = with_lists_read(parse(json), keys_);
      object_of(record, "record");
      const auto ignored = drop_fields(record, ignored_);
      refuse_preferences(record);
      refuse_weights_beside(record);
      handled.handler = name_ == "auto" ? recognise_format(record, keys_) : name_;
      auto [whole, used, unused] = read(record, handled.handler);
      if (ignores("reasoning_content") && clear_reasoning(whole)) unused.push_back("reasoning_content");
      handled.unused = unused_columns(record, used);
      handled.unused.insert(handled.unused.end(), unused.begin(), unused.end());
      handled.unused.insert(handled.unused.end(), ignored.begin(), ignored.end());
      check_messages(whole);
      refuse_media(record, whole);
      if (handled.handler == "moss_per_turn") handled.conversations = one_per_turn(whole);
      else handled.conversations.push_back(whole);
    } catch (const RecordError& error) {
      handled.unused.clear();  // of what is trained
      handled.reason = error.what();
      handled.detail = error.detail;
    }
    handled.columns = std::move(record.keys);
    return handled;
  }

 private:
  struct Read {
    Conversation conversation;
    std::vector<std::string> used;        // columns
    std::vector<std::string> unused = {};  // of its messages
  };

  /// The talk, and what stands beside it.
  Read read(const JsonValue& record, const std::string& format) const {
    Read found = read_talk(record, format);
    const bool is_moss = format == "moss" || format == "moss_per_turn";
    const BesideNames beside = is_moss ? BesideNames{keys_.name("system", ""), keys_.name("tools", "")} : BesideNames::of(record, keys_);
    add_beside(record, beside, found.conversation);
    const auto columns = beside.used(record);
    found.used.insert(found.used.end(), columns.begin(), columns.end());
    return found;
  }

  Read read_talk(const JsonValue& record, const std::string& format) const {
    if (format == "moss" || format == "moss_per_turn") return {read_moss(record), {"chat"}};
    if (format == "ultrachat") return {read_texts(record, "data"), {"data"}};
    if (format == "lima") return {read_texts(record, list_of_messages(record, keys_)), {list_of_messages(record, keys_)}};
    for (const auto& names : TurnNames::known())
      if (names.format == format) return read_as(record, list_of_messages(record, keys_), names);
    if (format == "alpaca") return read_as(record, PairNames::alpaca(keys_));
    for (const auto& names : PairNames::known())
      if (names.format == format) return read_as(record, names);
    MessageNames names = format == "openai" ? MessageNames::openai(keys_) : MessageNames::sharegpt(keys_);
    if (name_ == "auto") names.messages = list_of_messages(record, keys_);
    return {read_messages(record, names), {names.messages}, unused_in(record, names.messages, names)};
  }

  static Read read_as(const JsonValue& record, const std::string& list, const TurnNames& names) {
    std::vector<std::string> fields{names.question, names.answer, "system", "output_with_loss"};
    fields.insert(fields.end(), weight_fields().begin(), weight_fields().end());
    return {read_turns(record, list, names), {list}, unused_in_messages(record, list, [&](const JsonValue&) { return fields; })};
  }

  static Read read_as(const JsonValue& record, const PairNames& names) {
    Read read{read_pair(record, names), {names.question, names.answer, names.history}};
    for (const auto* columns : {&names.extras, &kReasoningFields}) read.used.insert(read.used.end(), columns->begin(), columns->end());
    for (const auto& list : {names.question, names.answer}) {
      const auto more = unused_in(record, list, MessageNames::openai({}));
      read.unused.insert(read.unused.end(), more.begin(), more.end());
    }
    return read;
  }

  bool ignores(const std::string& name) const { return std::find(ignored_.begin(), ignored_.end(), name) != ignored_.end(); }

  std::string name_;
  MapKeys keys_;
  std::vector<std::string> ignored_;
};

}  // namespace

std::string plain_handler_name(const std::string& name) {
  if (const auto found = kNames.find(name); found != kNames.end()) return found->second;
  if (is_pretrain_handler(name)) throw ConfigError(fmt::format("handler_name: found {}, which is for stage pt", name));
  std::vector<std::string> known = kPretrainNames;
  for (const auto& [known_name, plain] : kNames) known.push_back(known_name);
  const std::string near = nearest_word(name, known);
  throw ConfigError(fmt::format("handler_name: found {}, wanted {}", name,
                                near.empty() ? fmt::format("one of {}", fmt::join(known, ", ")) : "perhaps " + near));
}

bool is_pretrain_handler(const std::string& name) {
  return std::find(kPretrainNames.begin(), kPretrainNames.end(), name) != kPretrainNames.end();
}

std::unique_ptr<RecordHandler> make_record_handler(const std::string& name, const MapKeys& keys, const std::vector<std::string>& ignored) {
  return std::make_unique<FormatHandler>(plain_handler_name(name), keys, ignored);
}

}  // namespace ingot::data
