#pragma once

#include <functional>
#include <string>

#include "data/tokenizer/nfc.h"
#include "data/tokenizer/text_pattern.h"

namespace ingot::data {

/// Bytes that all steps of a tokenizer together may make of a text of `size`: far above what one means, far below all
/// memory.
size_t most_bytes(size_t size);

/// Throws DataError when `size` bytes are more than the `most` that a tokenizer's steps may make of a text.
void check_growth(size_t size, size_t most);

/// What a normalizer knows of its piece of text beside the text.
struct PieceOfText {
  bool at_start;      // it opens the whole text
  size_t most_bytes;  // that may become of it
};

/// Rewrites a piece of text before it is split. Input and output are valid UTF-8.
using Normalizer = std::function<void(std::string& text, PieceOfText piece)>;

/// Puts `prefix` before every text that is not empty.
Normalizer prepend_normalizer(std::string prefix);

/// Puts `content` in the place of every match.
Normalizer replace_normalizer(TextPattern pattern, std::string content);

/// The text with `content` in the place of every match. Throws DataError when it becomes more than `most` bytes.
std::string replace_matches(const std::string& text, const TextPattern& pattern, const std::string& content, size_t most);

Normalizer nfc_normalizer(NfcVersion version);

/// A normalization form of Unicode 15.
Normalizer unicode_normalizer(UnicodeForm form);

}  // namespace ingot::data
