#pragma once

#include <cstdint>

namespace ingot {

/// 64 random bits that depend on nothing but the arguments (Philox 4x32-10, Salmon et al. 2011). `stream` names the
/// use (see random_stream), `counter` the position in it, so any position can be had without those before it.
uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t counter);

/// Uniform in [0, 1), from the upper 53 of random_bits.
double random_uniform(uint64_t seed, uint64_t stream, uint64_t counter);

/// Independent streams of one seed.
namespace random_stream {
inline constexpr uint64_t kSampleOrder = 1, kSplit = 2, kInit = 3, kDropout = 4, kGenerate = 5;
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
