#include "data/tokenizer/normalizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {

size_t most_bytes(size_t size) { return std::min(size_t{4096} + 256 * size, size_t{1} << 31); }

void check_growth(size_t size, size_t most) {
  if (size > most)
    throw DataError(fmt::format("the tokenizer's steps make {} bytes and more of a text, at most {} wanted", size, most));
}

Normalizer prepend_normalizer(std::string prefix) {
  return [prefix = std::move(prefix)](std::string& text, PieceOfText) {
    if (!text.empty()) text.insert(0, prefix);
  };
}

std::string replace_matches(const std::string& text, const TextPattern& pattern, const std::string& content, size_t most) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  size_t done = 0, from = 0;
  while (const auto match = from <= text.size() ? pattern.find(text, from) : std::nullopt) {
    out.append(text, done, match->begin - done).append(content);
    check_growth(out.size(), most);
    done = match->end;
    from = match->end > match->begin ? match->end : match->end + (done < text.size() ? utf8_length(text[done]) : 1);
  }
  return out.append(text, done);
}

Normalizer replace_normalizer(TextPattern pattern, std::string content) {
  return [pattern = std::move(pattern), content = std::move(content)](std::string& text, PieceOfText piece) {
    text = replace_matches(text, pattern, content, piece.most_bytes);
  };
}

Normalizer nfc_normalizer(NfcVersion version) {
  return [version](std::string& text, PieceOfText) { text = to_nfc(text, version); };
}

Normalizer unicode_normalizer(UnicodeForm form) {
  return [form](std::string& text, PieceOfText) { text = to_unicode_form(text, form); };
}

}  // namespace ingot::data
