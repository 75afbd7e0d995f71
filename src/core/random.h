#pragma once

#include <cstdint>
#include <string_view>

namespace ingot {

/// 64 random bits that depend on nothing but the arguments (Philox 4x32-10, Salmon et al. 2011). `stream` names the
/// use (see random_stream), `counter` the position in it, so any position can be had without those before it. Inline, so
/// that loops over it vectorise.
inline uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t counter) {
  auto c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  auto c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  auto k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return uint64_t{c1} << 32 | c0;
}

/// A stream for each named thing within a use: parameters, layers.
uint64_t named_stream(uint64_t use, std::string_view name);

/// Uniform in [0, 1), from the upper 53 of random_bits.
double random_uniform(uint64_t seed, uint64_t stream, uint64_t counter);

/// Independent streams of one seed.
namespace random_stream {
inline constexpr uint64_t kSampleOrder = 1, kSplit = 2, kInit = 3, kDropout = 4, kGenerate = 5, kMixture = 6;
}

/// A pseudo-random one-to-one map of [0, n) to itself, computed per element in O(1) memory: a Feistel network over
/// the next even power of two, walked until it lands below n.
class Permutation {
 public:
  /// n >= 1.
  Permutation(uint64_t n, uint64_t seed, uint64_t stream, uint64_t epoch);
  uint64_t operator()(uint64_t index) const;

 private:
  uint64_t n_, key_;
  int half_bits_;
};

}  // namespace ingot
