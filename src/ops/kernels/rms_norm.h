#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "ops/kernels/element.h"

namespace ingot::ops {

/// out = weight * round(x * inverse_rms).
template <class T>
struct RmsNormRow {
  static constexpr std::string_view kOp = "rms_norm";
  using Element = T;
  const T *x, *weight;
  T* out;
  float* inverse_rms;
  int64_t n;
  float eps;

  void operator()(int64_t row) const {
    const T* from = x + row * n;
    T* to = out + row * n;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += widen(from[i]) * widen(from[i]);
    const float scale = 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = round_to<T>(widen(weight[i]) * widen(round_to<T>(widen(from[i]) * scale)));
    inverse_rms[row] = scale;
  }
};

/// d_x = inverse_rms * (g - u * mean(g * u)) with u = x * inverse_rms and g = d_out * weight.
template <class T>
struct RmsNormRowBackward {
  static constexpr std::string_view kOp = "rms_norm backward";
  using Element = T;
  const T *d_out, *x, *weight;
  const float* inverse_rms;
  T* d_x;
  int64_t n;

  void operator()(int64_t row) const {
    const T *d = d_out + row * n, *from = x + row * n;
    T* to = d_x + row * n;
    const float scale = inverse_rms[row];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < n; ++i) dot += widen(d[i]) * widen(weight[i]) * widen(from[i]);
    const float slope = dot * scale * scale / static_cast<float>(n);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = round_to<T>(scale * (widen(d[i]) * widen(weight[i]) - widen(from[i]) * slope));
  }
};

/// The same for the rows of a task, which also sums their gradients of weight into row `task` of `partial`.
template <class T>
struct RmsNormRowsBackward {
  static constexpr std::string_view kOp = "rms_norm backward of weight";
  using Element = T;
  RmsNormRowBackward<T> by_row;
  float* partial;  // [tasks, n], zeros before
  int64_t rows, rows_per_task;

  void operator()(int64_t task) const {
    const int64_t n = by_row.n;
    float* d_weight = partial + task * n;
    for (int64_t row = task * rows_per_task; row < std::min(rows, (task + 1) * rows_per_task); ++row) {
      by_row(row);
      const T *d = by_row.d_out + row * n, *from = by_row.x + row * n;
      const float scale = by_row.inverse_rms[row];
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) d_weight[i] += widen(d[i]) * (widen(from[i]) * scale);
    }
  }
};

}  // namespace ingot::ops
