#pragma once

#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace ingot::ops {

/// Vector instructions that kernels are compiled for; the widest that the CPU has is taken at run time.
enum class VectorLevel { kBaseline, kAvx2, kAvx512 };
VectorLevel vector_level();

/// Runs `body` compiled for the CPU at hand. How: `flatten` inlines all of the body into the function that carries the
/// target attribute, so its plain loops are vectorised once for each level and chosen between here. Other
/// architectures (Arm) use what the compiler targets anyway.
#ifdef __x86_64__
template <class Body>
__attribute__((flatten, target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512"))) void run_avx512(
    const Body& body) {
  body();
}
template <class Body>
__attribute__((flatten, target("avx2,fma"))) void run_avx2(const Body& body) {
  body();
}
template <class Body>
void vectorised(const Body& body) {
  switch (vector_level()) {
    case VectorLevel::kAvx512: return run_avx512(body);
    case VectorLevel::kAvx2: return run_avx2(body);
    case VectorLevel::kBaseline: return body();
  }
}
#else
template <class Body>
void vectorised(const Body& body) {
  body();
}
#endif

/// Elements below which a loop is not worth a second thread.
inline constexpr int64_t kGrain = 16384;

/// Calls body(i) for every i in [0, n), over the threads and vectorised. `cost` is the number of elements one call
/// touches. Calls must not depend on each other, so the result is the same for any number of threads.
template <class Body>
void parallel_rows(int64_t n, int64_t cost, const Body& body) {
  at::parallel_for(0, n, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, cost)), [&](int64_t begin, int64_t end) {
    vectorised([&] {
      for (int64_t i = begin; i < end; ++i) body(i);
    });
  });
}

/// Calls body(begin, end) over fixed blocks of [0, n), over the threads and vectorised.
template <class Body>
void parallel_blocks(int64_t n, const Body& body) {
  parallel_rows((n + kGrain - 1) / kGrain, kGrain,
                [&](int64_t block) { body(block * kGrain, std::min(n, (block + 1) * kGrain)); });
}

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
