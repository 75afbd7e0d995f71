#include "data/sft/recognise_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

constexpr size_t kKeysShown = 8;

std::string shown(const std::string& key) { return key.substr(0, 40); }

/// The first key that contains one of the words, whatever its case.
std::string key_like(const JsonValue& record, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words)
    for (size_t i = 0; i < record.keys.size(); ++i) {
      std::string lower = record.keys[i];
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (lower.find(word) != std::string::npos && record.items[i].is_text()) return record.keys[i];
    }
  return {};
}

std::string keys_and_advice(const JsonValue& record) {
  std::vector<std::string> keys;
  for (const auto& key : record.keys)
    if (keys.size() < kKeysShown) keys.push_back(shown(key));
  std::string text = fmt::format("keys {}", fmt::join(keys, ", "));
  const std::string question = key_like(record, {"question", "prompt", "instruct", "query", "problem", "input", "user", "human"});
  const std::string answer = key_like(record, {"answer", "response", "output", "completion", "solution", "reply", "target", "assistant"});
  if (!question.empty() && !answer.empty() && question != answer)
    text += fmt::format("; perhaps map_keys: {{prompt: {}, response: {}}}", shown(question), shown(answer));
  else if (const JsonValue* alone = find_member(record, "text"); alone && alone->is_text())
    text += "; stage pt trains on text alone";
  return text;
}

bool is_filled_list(const JsonValue& record, const std::string& name) {
  const JsonValue* found = find_member(record, name);
  return found && found->is_list() && !found->items.empty();
}

bool is_pair(const JsonValue& record, const PairNames& names) {
  return record.find(names.question) && find_member(record, names.answer);
}

}  // namespace

JsonValue with_lists_read(JsonValue record, const MapKeys& keys) {
  const std::vector<std::string> lists{keys.name("messages", "messages"), "messages", "conversations", "conversation", "data", "functions",
                                       keys.name("history", "history"), keys.name("tools", "tools")};
  for (size_t i = 0; i < record.keys.size(); ++i) {
    JsonValue& value = record.items[i];
    const bool wanted = std::find(lists.begin(), lists.end(), record.keys[i]) != lists.end();
    if (!wanted || !value.is_text()) continue;
    const size_t first = value.text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) value = {};
    else if (value.text[first] == '[') try {
      value = parse_json_value(value.text, record.keys[i]);
    } catch (const DataError&) {
      throw RecordError(fmt::format("{} is no JSON list", record.keys[i]));
    }
  }
  return record;
}

std::string list_of_messages(const JsonValue& record, const MapKeys& keys) {
  const std::string usual = keys.name("messages", "conversations");
  for (const std::string& name : {usual, std::string("messages"), std::string("conversation")})
    if (is_filled_list(record, name)) return name;
  return usual;
}

std::string recognise_format(const JsonValue& record, const MapKeys& keys) {
  if (keys.names_alpaca()) return "alpaca";
  const JsonValue* list = find_member(record, list_of_messages(record, keys));
  if (!list) list = find_member(record, "messages");
  if (list && list->is_list()) {
    static const JsonValue kNothing;
    const JsonValue& first = list->items.empty() ? kNothing : list->items[0];
    if (first.is_text()) return "lima";
    for (const auto& names : TurnNames::known())
      if (find_member(first, names.question) && find_member(first, names.answer)) return names.format;
    return find_member(first, "role") && !keys.has("tags.role_tag") ? "openai" : "sharegpt";
  }
  if (const auto* chat = find_member(record, "chat"); chat && chat->is_object()) return "moss";
  if (is_filled_list(record, "data") && record.find("data")->items[0].is_text()) return "ultrachat";
  for (const auto& names : PairNames::known())
    if (is_pair(record, names)) return names.format;
  if (find_member(record, "instruction") || find_member(record, "output")) return "alpaca";
  throw RecordError("the format of the record is none that is known", keys_and_advice(record));
}

}  // namespace ingot::data
