#include "data/tokenizer/utf8.h"

#include <simdjson.h>
#include <utf8proc.h>

#include <algorithm>

namespace ingot::data {
namespace {

struct ByteRange {
  unsigned char low, high;
  bool holds(char byte) const {
    const auto value = static_cast<unsigned char>(byte);
    return value >= low && value <= high;
  }
};

/// Which second bytes may follow a first byte of a character of two bytes or more (table 3-7).
ByteRange second_byte(unsigned char first) {
  switch (first) {
    case 0xE0: return {0xA0, 0xBF};
    case 0xED: return {0x80, 0x9F};
    case 0xF0: return {0x90, 0xBF};
    case 0xF4: return {0x80, 0x8F};
    default: return {0x80, 0xBF};
  }
}

/// Bytes of the longest beginning of a character at the start of `text`, and whether it is a whole one.
struct Part {
  size_t length;
  bool whole;
};

Part leading_part(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {1, true};
  if (first < 0xC2 || first > 0xF4) return {1, false};
  const size_t wanted = utf8_length(text[0]);
  size_t length = 1;
  if (text.size() > 1 && second_byte(first).holds(text[1])) {
    length = 2;
    while (length < wanted && length < text.size() && is_utf8_tail(text[length])) ++length;
  }
  return {length, length == wanted};
}

}  // namespace

std::string_view valid_utf8(std::string_view text, std::string& repaired) {
  if (simdjson::validate_utf8(text.data(), text.size())) return text;
  repaired.clear();
  repaired.reserve(text.size() + 64);
  while (!text.empty()) {
    const Part part = leading_part(text);
    repaired.append(part.whole ? text.substr(0, part.length) : std::string_view("\xEF\xBF\xBD"));
    text.remove_prefix(part.length);
  }
  return repaired;
}

void append_utf8(std::string& text, char32_t code_point) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_word_character(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kAlphabeticSymbols[] = {  // circled and squared letters
      {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: break;
  }
  return c == 0x200C || c == 0x200D ||
         std::any_of(std::begin(kAlphabeticSymbols), std::end(kAlphabeticSymbols),
                     [c](const auto& range) { return c >= range.first && c <= range.second; });
}

}  // namespace ingot::data
