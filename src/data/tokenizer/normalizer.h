#pragma once

#include <functional>
#include <string>

#include "data/tokenizer/nfc.h"
#include "data/tokenizer/text_pattern.h"

namespace ingot::data {

/// Rewrites a piece of text before it is split. `at_start` tells that the piece opens the whole text. Input and
/// output are valid UTF-8.
using Normalizer = std::function<void(std::string& text, bool at_start)>;

/// Puts `prefix` before every text that is not empty.
Normalizer prepend_normalizer(std::string prefix);

/// Puts `content` in the place of every match.
Normalizer replace_normalizer(TextPattern pattern, std::string content);

/// The text with `content` in the place of every match. Throws DataError when it becomes more than 256 times longer.
std::string replace_matches(const std::string& text, const TextPattern& pattern, const std::string& content);

Normalizer nfc_normalizer(NfcVersion version);

/// A normalization form of Unicode 15.
Normalizer unicode_normalizer(UnicodeForm form);

}  // namespace ingot::data
