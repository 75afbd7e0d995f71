#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot::data {

/// A piece of a chat format.
struct FormatPart {
  enum class Kind { kText, kToken, kMaybeToken, kContent, kBos, kEos, kRound };
  Kind kind = Kind::kText;
  std::string text;  // of kText and the tokens; a maybe-token is a token where the tokenizer knows it as one, else text
  bool operator==(const FormatPart&) const = default;
};

/// Cuts a format at its placeholders and at what may be special tokens: <...> and [...] without white space inside.
std::vector<FormatPart> parse_format(std::string_view format);

}  // namespace ingot::data
