#include "data/sft/record_meaning.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/words.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

bool holds_something(const JsonValue& value) {
  if (value.is_text()) return !value.text.empty();
  return !value.is_null() && !((value.is_list() || value.is_object()) && value.items.empty());
}

bool is_filled(const JsonValue& record, const std::string& name) {
  const JsonValue* found = record.find(name);
  return found && holds_something(*found);
}

/// false, also as a cell of a table spells it. A label of 0 is one of many things, the other marks know no third value.
bool is_false(const JsonValue& record, const char* name) {
  const JsonValue* found = record.find(name);
  const bool may_be = found && (found->kind == JsonValue::Kind::kBool || found->is_text());
  if (found && found->kind == JsonValue::Kind::kNumber && found->text == "0") return std::string_view(name) != "label";
  return may_be && (found->text == "false" || found->text == "False" || found->text == "FALSE");
}

/// Columns with media, and how a text marks their places, in lower case.
struct Media {
  std::vector<std::string> columns;
  std::vector<std::string_view> marks;
};

const std::vector<Media> kMedia{
    {{"images", "image", "image_path", "image_paths", "image_url", "image_urls", "img", "media"}, {"<image", "<img", "<|image", "<|vision", "[img]"}},
    {{"videos", "video", "video_path", "video_paths", "video_url", "media"}, {"<video", "<|video", "<|vision"}},
    {{"audios", "audio", "audio_path", "audio_paths", "audio_url", "speech", "media"}, {"<audio", "<|audio", "<sound", "<|sound"}},
    {{"objects"}, {"<ref-object", "<bbox", "<|object_ref", "<|box"}}};

bool says(const Conversation& conversation, std::string_view mark) {
  return std::any_of(conversation.messages.begin(), conversation.messages.end(),
                     [&](const Message& message) { return lower_case(message.content).find(mark) != std::string::npos; });
}

/// Whether the column is filled beside the talk or in a message of it.
bool is_there(const JsonValue& record, const std::string& column) {
  return is_filled(record, column) || std::any_of(record.items.begin(), record.items.end(), [&](const JsonValue& list) {
           return list.is_list() && std::any_of(list.items.begin(), list.items.end(), [&](const JsonValue& item) { return is_filled(item, column); });
         });
}

}  // namespace

void refuse_preferences(const JsonValue& record) {
  for (const char* name : {"chosen", "rejected", "rejected_response", "rejected_messages", "negative_messages", "preferred_output", "non_preferred_output"})
    if (is_filled(record, name))
      throw RecordError(fmt::format("{} belongs to a preference between answers; ignore_fields: [{}] trains what else is there", name, name));
  for (const char* name : {"label", "kto_tag", "desirable"})
    if (is_false(record, name))
      throw RecordError(fmt::format("{}: false says that the answer is not wanted; ignore_fields: [{}] trains it", name, name));
}

void refuse_media(const JsonValue& record, const Conversation& conversation) {
  for (const auto& [columns, marks] : kMedia)
    for (const auto& column : columns)
      if (is_there(record, column) && std::any_of(marks.begin(), marks.end(), [&](std::string_view mark) { return says(conversation, mark); }))
        throw RecordError(fmt::format("{} are not trained and the text has a placeholder of them; ignore_fields: [{}] trains the text", column, column));
}

std::vector<std::string> unused_columns(const JsonValue& record, const std::vector<std::string>& used) {
  std::vector<std::string> unused;
  for (size_t i = 0; i < record.keys.size(); ++i)
    if (holds_something(record.items[i]) && std::find(used.begin(), used.end(), record.keys[i]) == used.end()) unused.push_back(record.keys[i].empty() ? "(unnamed)" : record.keys[i]);
  return unused;
}

std::vector<std::string> unused_in_messages(const JsonValue& record, const std::string& list,
                                            const std::function<std::vector<std::string>(const JsonValue& message)>& used) {
  std::vector<std::string> unused;
  const JsonValue* messages = record.find(list);
  for (const JsonValue& message : messages ? messages->items : std::vector<JsonValue>{})
    for (const auto& name : unused_columns(message, used(message))) {
      const std::string shown = fmt::format("{}[].{}", list, name);
      if (std::find(unused.begin(), unused.end(), shown) == unused.end()) unused.push_back(shown);
    }
  return unused;
}

}  // namespace ingot::data
