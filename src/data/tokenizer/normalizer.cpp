#include "data/tokenizer/normalizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

/// Bytes that replacements may make of a text of that many: far above what a tokenizer means, far below all memory.
size_t most_bytes(size_t size) { return std::min(size_t{4096} + 256 * size, size_t{1} << 31); }

}  // namespace

Normalizer prepend_normalizer(std::string prefix) {
  return [prefix = std::move(prefix)](std::string& text, bool) {
    if (!text.empty()) text.insert(0, prefix);
  };
}

std::string replace_matches(const std::string& text, const TextPattern& pattern, const std::string& content) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  size_t done = 0, from = 0;
  while (const auto match = from <= text.size() ? pattern.find(text, from) : std::nullopt) {
    out.append(text, done, match->begin - done).append(content);
    if (out.size() > most_bytes(text.size()))
      throw DataError(fmt::format("the tokenizer's replacement by {} bytes makes more than {} of a text of {}", content.size(),
                                  most_bytes(text.size()), text.size()));
    done = match->end;
    from = match->end > match->begin ? match->end : match->end + (done < text.size() ? utf8_length(text[done]) : 1);
  }
  return out.append(text, done);
}

Normalizer replace_normalizer(TextPattern pattern, std::string content) {
  return [pattern = std::move(pattern), content = std::move(content)](std::string& text, bool) {
    text = replace_matches(text, pattern, content);
  };
}

Normalizer nfc_normalizer(NfcVersion version) {
  return [version](std::string& text, bool) { text = to_nfc(text, version); };
}

Normalizer unicode_normalizer(UnicodeForm form) {
  return [form](std::string& text, bool) { text = to_unicode_form(text, form); };
}

}  // namespace ingot::data
