#include "core/random.h"

#include <bit>

namespace ingot {
namespace {

constexpr int kFeistelRounds = 8;

/// Finaliser of splitmix64 (Steele, Lea, Flood 2014): a fixed bijection of 64 bits that mixes well.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

uint64_t named_stream(uint64_t use, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, 64 bits
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return use ^ hash << 8;
}

double random_uniform(uint64_t seed, uint64_t stream, uint64_t counter) {
  return static_cast<double>(random_bits(seed, stream, counter) >> 11) * 0x1p-53;
}

Permutation::Permutation(uint64_t n, uint64_t seed, uint64_t stream, uint64_t epoch)
    : n_(n), key_(random_bits(seed, stream, epoch)), half_bits_((std::bit_width(n - 1) + 1) / 2) {}

uint64_t Permutation::operator()(uint64_t index) const {
  if (n_ <= 1) return index;
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  do {
    uint64_t left = index >> half_bits_, right = index & mask;
    for (int round = 0; round < kFeistelRounds; ++round) {
      const uint64_t next = left ^ (mix(right ^ key_ ^ mix(static_cast<uint64_t>(round) + 1)) & mask);
      left = right;
      right = next;
    }
    index = left << half_bits_ | right;
  } while (index >= n_);
  return index;
}

}  // namespace ingot
