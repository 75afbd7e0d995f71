#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>
#include <type_traits>

namespace ingot::ops {

/// Elements below which a loop is not worth a second thread.
inline constexpr int64_t kGrain = 16384;

/// Elements [begin, end) of n that block i has.
struct Block {
  Block(int64_t i, int64_t n) : begin(i * kGrain), end(n < begin + kGrain ? n : begin + kGrain) {}
  int64_t begin, end;
};

inline float widen(float value) { return value; }
inline float widen(c10::BFloat16 value) { return std::bit_cast<float>(uint32_t{value.x} << 16); }

/// Rounds to the nearest, ties to even; NaN stays NaN.
template <class T>
T round_to(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return T(static_cast<uint16_t>(value == value ? rounded : 0x7fc0u), T::from_bits());
  }
}

/// e^x within 2e-7 of the value, without a call, so that loops over it vectorise: 2^n times a Taylor polynomial of
/// degree 7 on |r| <= ln(2)/2. Held between e^-87 and e^88; NaN stays NaN.
inline float fast_exp(float x) {
  constexpr float kRoundToInteger = 12582912.0f;  // 1.5 * 2^23: its addition leaves the integer in the low bits
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504f + kRoundToInteger;
  const float n = shifted - kRoundToInteger;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRoundToInteger);
  return p * std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
}

inline float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

}  // namespace ingot::ops
