#include "core/utf8.h"

namespace ingot {
namespace {

/// Bytes that follow the first one of a character; -1 when no character begins so.
int bytes_after(unsigned char first) {
  if (first < 0x80) return 0;
  if (first < 0xc2 || first > 0xf4) return -1;
  return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto* byte = reinterpret_cast<const unsigned char*>(text.data());
  for (const auto* end = byte + text.size(); byte < end;) {
    const int extra = bytes_after(*byte);
    if (extra < 0 || end - byte <= extra) return false;
    const bool overlong = (byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xf0 && byte[1] < 0x90);
    const bool no_character = (byte[0] == 0xed && byte[1] > 0x9f) || (byte[0] == 0xf4 && byte[1] > 0x8f);
    if (overlong || no_character) return false;
    for (int i = 1; i <= extra; ++i)
      if ((byte[i] & 0xc0) != 0x80) return false;
    byte += extra + 1;
  }
  return true;
}

}  // namespace ingot
