#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ingot::data {

/// `text` itself when it is valid UTF-8, else `repaired`, which then holds a copy with U+FFFD in the place of every
/// maximal ill-formed part. Source: The Unicode Standard 15, §3.9, "U+FFFD Substitution of Maximal Subparts".
std::string_view valid_utf8(std::string_view text, std::string& repaired);

/// Appends the code point as UTF-8.
void append_utf8(std::string& text, char32_t code_point);

/// Bytes of the character that starts with this byte, in valid UTF-8.
inline size_t utf8_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// The character at `at`, in valid UTF-8.
inline char32_t utf8_code_point(const char* at) {
  const auto byte = [at](int i) { return static_cast<char32_t>(static_cast<unsigned char>(at[i])); };
  const auto tail = [&](int i) { return byte(i) & 0x3F; };
  if (byte(0) < 0x80) return byte(0);
  if (byte(0) < 0xE0) return (byte(0) & 0x1F) << 6 | tail(1);
  if (byte(0) < 0xF0) return (byte(0) & 0x0F) << 12 | tail(1) << 6 | tail(2);
  return (byte(0) & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3);
}

/// True for the second and later bytes of a character.
inline bool is_utf8_tail(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// Start of the last character of a text that is not empty.
inline size_t last_character(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && is_utf8_tail(text[at])) --at;
  return at;
}

/// Unicode's White_Space property.
bool is_white_space(char32_t code_point);

/// Letters, marks, digits, connectors and joiners: what a regex calls a word character.
bool is_word_character(char32_t code_point);

}  // namespace ingot::data
