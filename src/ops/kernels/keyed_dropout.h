#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "core/random.h"
#include "ops/kernels/element.h"

namespace ingot::ops {

struct Keep {
  uint16_t threshold;  // an element is kept when its 16 bits are at or above
  float scale;
};

/// One row; draw i of its key decides elements 4i to 4i+3.
template <class T>
struct DropRow {
  static constexpr std::string_view kOp = "keyed_dropout";
  using Element = T;
  static constexpr int64_t kLanes = 4;  // elements decided by one draw of 64 bits, 16 each
  static constexpr int64_t kDraws = 64;
  const T* x;
  T* out;
  const int64_t* keys;
  int64_t width;
  uint64_t stream;
  Keep keep;

  void operator()(int64_t row) const {
    const T* from = x + row * width;
    T* to = out + row * width;
    const auto key = static_cast<uint64_t>(keys[row]);
    std::array<uint64_t, kDraws> bits{};
    std::array<uint16_t, kDraws * kLanes> lanes{};
    for (int64_t begin = 0; begin < width; begin += kDraws * kLanes) {
      const int64_t count = std::min(width - begin, kDraws * kLanes), draws = (count + kLanes - 1) / kLanes;
      const auto first = static_cast<uint64_t>(begin / kLanes);
#pragma omp simd
      for (int64_t i = 0; i < draws; ++i) bits[i] = random_bits(key, stream, first + static_cast<uint64_t>(i));
      std::memcpy(lanes.data(), bits.data(), sizeof(lanes));  // little-endian: lane 0 is the low 16 bits
#pragma omp simd
      for (int64_t i = 0; i < count; ++i)
        to[begin + i] = lanes[i] >= keep.threshold ? round_to<T>(widen(from[begin + i]) * keep.scale) : T(0.0f);
    }
  }
};

}  // namespace ingot::ops
