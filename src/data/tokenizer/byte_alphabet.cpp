#include "data/tokenizer/byte_alphabet.h"

#include <array>

#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

constexpr char32_t kNumLetters = 0x100 + 68;
constexpr int kNoByte = -1;

struct Alphabet {
  std::array<char32_t, 256> letters{};
  std::array<int, kNumLetters> bytes{};  // by letter
};

bool stands_for_itself(char32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

Alphabet make_alphabet() {
  Alphabet alphabet;
  alphabet.bytes.fill(kNoByte);
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const char32_t letter = stands_for_itself(byte) ? byte : next++;
    alphabet.letters[byte] = letter;
    alphabet.bytes[letter] = static_cast<int>(byte);
  }
  return alphabet;
}

const Alphabet kAlphabet = make_alphabet();

int byte_of(char32_t letter) { return letter < kNumLetters ? kAlphabet.bytes[letter] : kNoByte; }

}  // namespace

void append_byte_letter(std::string& text, unsigned char byte) { append_utf8(text, kAlphabet.letters[byte]); }

std::string spelled_bytes(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); i += utf8_length(text[i])) {
    const int byte = byte_of(utf8_code_point(text.data() + i));
    if (byte == kNoByte) return std::string(text);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

bool is_spelled(std::string_view text) {
  for (size_t i = 0; i < text.size(); i += utf8_length(text[i]))
    if (byte_of(utf8_code_point(text.data() + i)) == kNoByte) return false;
  return true;
}

}  // namespace ingot::data
