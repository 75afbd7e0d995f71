#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "ops/kernels/element.h"

namespace ingot::ops {

inline constexpr float kLeastLength = 1e-12f;

template <class T>
float inverse_length(const T* row, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += widen(row[i]) * widen(row[i]);
  return 1.0f / std::max(std::sqrt(sum), kLeastLength);
}

/// out = row / |row|.
template <class T>
struct UnitRow {
  static constexpr std::string_view kOp = "unit_rows";
  using Element = T;
  const T* rows;
  T* out;
  int64_t n;

  void operator()(int64_t i) const {
    const T* row = rows + i * n;
    T* to = out + i * n;
    const float inverse = inverse_length(row, n);
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) to[j] = round_to<T>(widen(row[j]) * inverse);
  }
};

/// d_w = (d_out - u (u . d_out)) / |w| with u = w / |w|; a row below the least length is only scaled.
template <class T>
struct UnitRowBackward {
  static constexpr std::string_view kOp = "unit_rows backward";
  using Element = T;
  const T *d_out, *rows;
  T* d_rows;
  int64_t n;

  void operator()(int64_t i) const {
    const T *d = d_out + i * n, *row = rows + i * n;
    T* to = d_rows + i * n;
    const float inverse = inverse_length(row, n);
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < n; ++j) dot += widen(d[j]) * widen(row[j]);
    const float slope = inverse < 1.0f / kLeastLength ? dot * inverse * inverse : 0.0f;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) to[j] = round_to<T>(inverse * (widen(d[j]) - widen(row[j]) * slope));
  }
};

}  // namespace ingot::ops
