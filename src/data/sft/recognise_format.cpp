#include "data/sft/recognise_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/words.h"
#include "data/sft/format_advice.h"
#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

bool is_filled_list(const JsonValue& record, const std::string& name) {
  const JsonValue* found = find_member(record, name);
  return found && found->is_list() && !found->items.empty();
}

bool is_pair(const JsonValue& record, const PairNames& names) {
  return record.find(names.question) && find_member(record, names.answer);
}

bool is_list_of_messages(const JsonValue& value) {
  return value.is_list() && !value.items.empty() && std::all_of(value.items.begin(), value.items.end(), [](const JsonValue& item) {
           return item.is_object() && find_member(item, "role");
         });
}

/// What a text says as JSON where that is what is wanted, else the text.
JsonValue parsed_or_text(const JsonValue& text, bool (*is_wanted)(const JsonValue&)) try {
  JsonValue parsed = parse_json_value(text.text, "cell");
  return is_wanted(parsed) ? parsed : text;
} catch (const DataError&) {
  return text;
}

/// A message or a turn in any format.
bool is_message_or_turn(const JsonValue& item, const MapKeys& keys) {
  const auto has = [&](const std::string& name) { return item.find(name) != nullptr; };
  const bool is_turn = std::any_of(TurnNames::known().begin(), TurnNames::known().end(),
                                   [&](const TurnNames& names) { return has(names.question) && has(names.answer); });
  return is_turn || has(keys.name("tags.role_tag", "role")) || has(keys.name("tags.role_tag", "from"));
}

/// A list of texts each of which is the JSON of a message, as tables with one type a column have them, as those messages.
void read_messages_in_texts(JsonValue& list, const MapKeys& keys) {
  std::vector<JsonValue> messages;
  for (const JsonValue& item : list.items) {
    const size_t first = item.is_text() ? item.text.find_first_not_of(" \t\r\n") : std::string::npos;
    if (first == std::string::npos || item.text[first] != '{') return;
    messages.push_back(parsed_or_text(item, [](const JsonValue& found) { return found.is_object(); }));
    if (!is_message_or_turn(messages.back(), keys)) return;
  }
  list.items = std::move(messages);
}

/// The format of a list of messages, turns or texts, by its first.
std::string format_of_list(const JsonValue& first, const MapKeys& keys) {
  if (first.is_text()) return "lima";
  for (const auto& names : TurnNames::known())
    if (find_member(first, names.question) && find_member(first, names.answer)) return names.format;
  return find_member(first, "role") && !keys.has("tags.role_tag") ? "openai" : "sharegpt";
}

/// A column that should hold a list and holds what looks like one.
void refuse_broken_lists(const JsonValue& record, const MapKeys& keys) {
  for (const auto& name : {keys.name("messages", "conversations"), std::string("messages"), std::string("conversation")})
    if (const JsonValue* found = find_member(record, name); found && found->is_text() && found->text.starts_with('['))
      throw RecordError(fmt::format("{} is no JSON list", name));
}

}  // namespace

JsonValue with_lists_read(JsonValue record, const MapKeys& keys) {
  const std::vector<std::string> lists{keys.name("messages", "messages"), "messages", "conversations", "conversation", "data", "functions",
                                       keys.name("history", "history"), keys.name("tools", "tools")};
  static const std::vector<std::string> texts_or_lists{"prompt", "completion", "input"};  // of messages
  for (size_t i = 0; i < record.keys.size(); ++i) {
    const auto is_one_of = [&](const std::vector<std::string>& names) { return ingot::is_one_of(record.keys[i], names); };
    JsonValue& value = record.items[i];
    if (value.is_list() && (is_one_of(lists) || is_one_of(texts_or_lists))) read_messages_in_texts(value, keys);
    if (!value.is_text()) continue;
    const size_t first = value.text.find_first_not_of(" \t\r\n");
    if (is_blank_cell(value.text)) {
      if (is_one_of(lists)) value = {};
    } else if (is_one_of(lists) && value.text[first] == '[') {
      value = parsed_or_text(value, [](const JsonValue& found) { return found.is_list(); });
      read_messages_in_texts(value, keys);
    } else if (is_one_of(texts_or_lists) && value.text[first] == '[') {
      value = parsed_or_text(value, is_list_of_messages);
    } else if (record.keys[i] == "chat" && value.text[first] == '{') {
      value = parsed_or_text(value, [](const JsonValue& found) { return found.is_object(); });
    }
  }
  return record;
}

std::string list_of_messages(const JsonValue& record, const MapKeys& keys) {
  const std::string usual = keys.name("messages", "conversations");
  for (const std::string& name : {usual, std::string("messages"), std::string("conversation")})
    if (is_filled_list(record, name)) return name;
  return !find_member(record, usual) && find_member(record, "messages") ? "messages" : usual;
}

std::string recognise_format(const JsonValue& record, const MapKeys& keys) {
  if (keys.names_alpaca()) return "alpaca";
  const JsonValue* list = find_member(record, list_of_messages(record, keys));
  const bool has_list = list && list->is_list();
  if (has_list && !list->items.empty()) return format_of_list(list->items[0], keys);
  if (const auto* chat = find_member(record, "chat"); chat && chat->is_object()) return "moss";
  for (const auto& names : PairNames::known())
    if (is_pair(record, names)) return names.format;
  if (find_member(record, "instruction") || find_member(record, "output")) return "alpaca";
  if (is_filled_list(record, "data") && record.find("data")->items[0].is_text()) return "ultrachat";
  if (has_list) return "sharegpt";  // of no message
  refuse_broken_lists(record, keys);
  throw RecordError("the format of the record is none that is known", format_advice(record));
}

}  // namespace ingot::data
