#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <string_view>

#include "ops/kernels/element.h"

namespace ingot::ops {

/// All heads of one position. Partners of a pair lie `apart` from each other, and one pair `step` from the next.
template <class T>
struct RotateRow {
  static constexpr std::string_view kOp = "rotary";
  using Element = T;
  const T* x;
  const float *cos, *sin;  // [table_rows, half]
  T* out;
  float direction;  // -1 rotates back
  int64_t heads, size, half, table_rows, apart, step;

  void operator()(int64_t row) const {
    const float *c = cos + row % table_rows * half, *s = sin + row % table_rows * half;
    for (int64_t head = row * heads; head < (row + 1) * heads; ++head) {
      if (step == 1) rotate(x + head * size, c, s, out + head * size, apart, 1);
      else rotate(x + head * size, c, s, out + head * size, 1, 2);
      std::copy(x + head * size + 2 * half, x + (head + 1) * size, out + head * size + 2 * half);
    }
  }

 private:
  void rotate(const T* from, const float* c, const float* s, T* to, int64_t to_partner, int64_t to_next) const {
#pragma omp simd
    for (int64_t i = 0; i < half; ++i) {
      const int64_t at = i * to_next;
      const float first = widen(from[at]), second = widen(from[at + to_partner]), turn = direction * s[i];
      to[at] = round_to<T>(first * c[i] - second * turn);
      to[at + to_partner] = round_to<T>(second * c[i] + first * turn);
    }
  }
};

}  // namespace ingot::ops
