#include "data/chat/format_parts.h"

#include <optional>

namespace ingot::data {
namespace {

using Kind = FormatPart::Kind;
constexpr std::string_view kToken = "{token:";

/// Length of a special token's text at the start of `text`, or 0.
size_t token_length(std::string_view text) {
  constexpr size_t kLongest = 64;
  const char close = text[0] == '<' ? '>' : text[0] == '[' ? ']' : '\0';
  if (close == '\0') return 0;
  for (size_t i = 1; i < std::min(text.size(), kLongest); ++i) {
    const char c = text[i];
    if (c == close) return i > 1 ? i + 1 : 0;
    if (c == text[0] || c == '{' || static_cast<unsigned char>(c) <= ' ') return 0;
  }
  return 0;
}

/// The placeholder at the start of `text` and its length.
std::optional<std::pair<FormatPart, size_t>> placeholder(std::string_view text) {
  constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"{content}", Kind::kContent}, {"{bos}", Kind::kBos}, {"{eos}", Kind::kEos}, {"{round}", Kind::kRound}};
  for (const auto& [word, kind] : kKinds)
    if (text.starts_with(word)) return std::pair{FormatPart{kind, ""}, word.size()};
  const size_t end = text.starts_with(kToken) ? text.find('}') : std::string_view::npos;
  if (end != std::string_view::npos)
    return std::pair{FormatPart{Kind::kToken, std::string(text.substr(kToken.size(), end - kToken.size()))}, end + 1};
  if (const size_t length = token_length(text))
    return std::pair{FormatPart{Kind::kMaybeToken, std::string(text.substr(0, length))}, length};
  return std::nullopt;
}

}  // namespace

std::vector<FormatPart> parse_format(std::string_view format) {
  std::vector<FormatPart> parts;
  while (!format.empty()) {
    if (const auto found = placeholder(format)) {
      parts.push_back(found->first);
      format.remove_prefix(found->second);
      continue;
    }
    if (parts.empty() || parts.back().kind != Kind::kText) parts.push_back({});
    parts.back().text += format[0];
    format.remove_prefix(1);
  }
  return parts;
}

}  // namespace ingot::data
