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

}  // namespace

Conversation read_moss(const JsonValue& record, const MapKeys& keys) {
  Conversation conversation;
  if (keys.has("system")) {
    const std::string system = optional_text(record, keys.name("system", ""));
    if (!system.empty()) conversation.messages.push_back({Role::kSystem, system});
  }
  for (const JsonValue& turn : object_of(require_member(record, "chat"), "chat").items) {
    if (object_of(turn, "a turn").items.empty()) continue;
    const std::string human = text_of(require_member(turn, "Human"), "Human"), moss = text_of(require_member(turn, "MOSS"), "MOSS");
    conversation.messages.push_back({Role::kUser, without_markers(human, {"<eoh>", "<|Human|>: ", "<|Human|>:"})});
    conversation.messages.push_back({Role::kAssistant, without_markers(moss, {"<eom>", "<|MOSS|>:"})});
  }
  return conversation;
}

}  // namespace ingot::data
