#include "data/tokenizer/byte_neighbors.h"

#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

/// Up to four bytes as a number that tells them from any other bytes.
uint64_t packed(std::string_view bytes) {
  uint64_t value = bytes.size();
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

/// The bytes of the character that ends at `end`, as many of them as the piece has.
std::string_view character_before(std::string_view piece, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && is_utf8_tail(piece[begin])) --begin;
  return piece.substr(begin, end - begin);
}

}  // namespace

void ByteNeighbors::add_piece(std::string_view piece) {
  for (size_t at = 1; at < piece.size(); ++at) {
    if (is_utf8_tail(piece[at])) continue;
    const uint64_t left = packed(character_before(piece, at));
    joins_.insert(left, packed(piece.substr(at, utf8_length(piece[at]))));
    lefts_.insert(left, 0);
  }
}

bool ByteNeighbors::may_join(std::string_view left, std::string_view right) const {
  for (size_t begin = 0; begin < left.size(); ++begin) {
    const uint64_t end_of_left = packed(left.substr(begin));
    if (!lefts_.may_hold(end_of_left, 0)) continue;
    for (size_t size = 1; size <= right.size(); ++size)
      if (joins_.may_hold(end_of_left, packed(right.substr(0, size)))) return true;
  }
  return false;
}

}  // namespace ingot::data
