#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace ingot::data {

/// The two halves of the 128-bit product, folded: spreads every input bit over the result.
inline uint64_t fold_multiply(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

/// A fast hash of bytes for tables in memory; never stored.
inline uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kOdd1 = 0x9e3779b97f4a7c15, kOdd2 = 0xd6e8feb86659fd93;
  uint64_t hash = kOdd1 ^ bytes.size();
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    hash = fold_multiply(hash ^ word, kOdd2);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, at, left);
  return fold_multiply(hash ^ tail, kOdd2);
}

}  // namespace ingot::data
