#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "data/sft/formats.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

/// The text without the markers, wherever they stand, and without blanks around it.
std::string without_markers(std::string text, std::initializer_list<std::string_view> markers) {
  for (const std::string_view marker : markers)
    for (size_t at = text.find(marker); at != std::string::npos; at = text.find(marker, at)) text.erase(at, marker.size());
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// The number in "turn_12"; names without one come last.
uint64_t number_of(const std::string& name) {
  uint64_t number = std::numeric_limits<uint64_t>::max();
  const size_t digits = name.find_first_of("0123456789");
  if (digits != std::string::npos) std::from_chars(name.data() + digits, name.data() + name.size(), number);
  return number;
}

/// The turns that say something, by their numbers: a sorted file has turn_10 in front of turn_2, a table null for those that are not.
std::vector<const JsonValue*> turns_of(const JsonValue& chat) {
  std::vector<std::pair<uint64_t, const JsonValue*>> numbered;
  for (size_t i = 0; i < chat.items.size(); ++i)
    if (const JsonValue& turn = chat.items[i]; !turn.is_null() && !object_of(turn, "a turn").items.empty())
      numbered.emplace_back(number_of(chat.keys[i]), &turn);
  std::stable_sort(numbered.begin(), numbered.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const JsonValue*> turns;
  for (const auto& [number, turn] : numbered) turns.push_back(turn);
  return turns;
}

}  // namespace

Conversation read_moss(const JsonValue& record) {
  Conversation conversation;
  for (const JsonValue* turn : turns_of(object_of(require_member(record, "chat"), "chat"))) {
    const std::string human = text_of(require_member(*turn, "Human"), "Human"), moss = text_of(require_member(*turn, "MOSS"), "MOSS");
    conversation.messages.push_back({Role::kUser, without_markers(human, {"<eoh>", "<|Human|>: ", "<|Human|>:"})});
    conversation.messages.push_back({Role::kAssistant, without_markers(moss, {"<eom>", "<|MOSS|>:"})});
  }
  return conversation;
}

}  // namespace ingot::data
