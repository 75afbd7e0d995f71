#pragma once

#include <c10/util/BFloat16.h>

#include <string_view>

#include "ops/kernels/element.h"

namespace ingot::ops {

template <class T>
struct SwigluBlock {
  static constexpr std::string_view kOp = "swiglu";
  using Element = T;
  const T *gate, *up;
  T* out;
  int64_t n;

  void operator()(int64_t block) const {
    const auto [begin, end] = Block(block, n);
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float g = widen(gate[i]);
      out[i] = round_to<T>(g * sigmoid(g) * widen(up[i]));
    }
  }
};

/// d_gate = d_out * up * s * (1 + g * (1 - s)) and d_up = d_out * g * s, with s = sigmoid(g).
template <class T>
struct SwigluBlockBackward {
  static constexpr std::string_view kOp = "swiglu backward";
  using Element = T;
  const T *d_out, *gate, *up;
  T *d_gate, *d_up;
  int64_t n;

  void operator()(int64_t block) const {
    const auto [begin, end] = Block(block, n);
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float g = widen(gate[i]), d = widen(d_out[i]), s = sigmoid(g);
      d_gate[i] = round_to<T>(d * widen(up[i]) * s * (1.0f + g * (1.0f - s)));
      d_up[i] = round_to<T>(d * g * s);
    }
  }
};

}  // namespace ingot::ops
