#pragma once

#include <string>
#include <string_view>

namespace ingot::data {

/// The alphabet in which byte-level vocabularies spell bytes: a printable Latin-1 byte is itself, the other 68 are
/// U+0100 and on in the order of their values. Source: GPT-2's bytes_to_unicode (Radford et al. 2019).

/// Appends the letter of the byte.
void append_byte_letter(std::string& text, unsigned char byte);

/// The bytes that the text spells; the text's own bytes when a character of it is no letter of the alphabet.
std::string spelled_bytes(std::string_view text);

/// Whether every character of the text is a letter of the alphabet.
bool is_spelled(std::string_view text);

}  // namespace ingot::data
