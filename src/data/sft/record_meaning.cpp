#include "data/sft/record_meaning.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

bool holds_something(const JsonValue& value) {
  if (value.is_text()) return !value.text.empty();
  return !value.is_null() && !((value.is_list() || value.is_object()) && value.items.empty());
}

bool is_filled(const JsonValue& record, const char* name) {
  const JsonValue* found = record.find(name);
  return found && holds_something(*found);
}

/// false, also as a cell of a table spells it.
bool is_false(const JsonValue& record, const char* name) {
  const JsonValue* found = record.find(name);
  const bool may_be = found && (found->kind == JsonValue::Kind::kBool || found->is_text());
  return may_be && (found->text == "false" || found->text == "False" || found->text == "FALSE");
}

bool says(const Conversation& conversation, std::string_view mark) {
  return std::any_of(conversation.messages.begin(), conversation.messages.end(),
                     [&](const Message& message) { return message.content.find(mark) != std::string::npos; });
}

}  // namespace

void refuse_preferences(const JsonValue& record) {
  for (const char* name : {"chosen", "rejected", "rejected_response", "rejected_messages"})
    if (is_filled(record, name))
      throw RecordError(fmt::format("{} belongs to a preference between answers; ignore_fields: [{}] trains what else is there", name, name));
  for (const char* name : {"label", "kto_tag"})
    if (is_false(record, name))
      throw RecordError(fmt::format("{}: false says that the answer is not wanted; ignore_fields: [{}] trains it", name, name));
}

void refuse_media(const JsonValue& record, const std::string& list, const Conversation& conversation) {
  static const std::vector<std::string_view> kPictures{"<image", "<img", "<|image", "<|vision", "[IMG]"}, kVideos{"<video", "<|video", "<|vision"},
      kSounds{"<audio", "<|audio", "<sound", "<|sound"};
  static const std::pair<const char*, const std::vector<std::string_view>*> kMedia[] = {{"images", &kPictures}, {"image", &kPictures}, {"videos", &kVideos},
                                                                                       {"video", &kVideos},   {"audios", &kSounds}, {"audio", &kSounds}};
  const JsonValue* messages = record.find(list);
  for (const auto& [column, marks] : kMedia) {
    const auto has = [name = column](const JsonValue& object) { return is_filled(object, name); };
    const bool is_there = has(record) || (messages && std::any_of(messages->items.begin(), messages->items.end(), has));
    if (is_there && std::any_of(marks->begin(), marks->end(), [&](std::string_view mark) { return says(conversation, mark); }))
      throw RecordError(fmt::format("{} are not trained and the text has a placeholder of them; ignore_fields: [{}] trains the text", column, column));
  }
}

std::vector<std::string> unused_columns(const JsonValue& record, const std::vector<std::string>& used) {
  std::vector<std::string> unused;
  for (size_t i = 0; i < record.keys.size(); ++i)
    if (holds_something(record.items[i]) && std::find(used.begin(), used.end(), record.keys[i]) == used.end()) unused.push_back(record.keys[i]);
  return unused;
}

std::vector<std::string> unused_in_messages(const JsonValue& record, const std::string& list, const std::vector<std::string>& used) {
  std::vector<std::string> unused;
  const JsonValue* messages = record.find(list);
  for (const JsonValue& message : messages ? messages->items : std::vector<JsonValue>{})
    for (const auto& name : unused_columns(message, used)) {
      const std::string shown = fmt::format("{}[].{}", list, name);
      if (std::find(unused.begin(), unused.end(), shown) == unused.end()) unused.push_back(shown);
    }
  return unused;
}

}  // namespace ingot::data
