#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <string_view>

#include "ops/kernels/element.h"

namespace ingot::ops {

/// out[token] = sum over choices of weight * rows[place].
template <class T>
struct SumChoices {
  static constexpr std::string_view kOp = "combine_rows";
  using Element = T;
  const T* rows;
  const float* weights;  // null: all 1
  const int64_t* places;
  T* out;
  int64_t width, choices;

  void operator()(int64_t token) const {
    constexpr int64_t kBlock = 256;
    float sums[kBlock];
    for (int64_t begin = 0; begin < width; begin += kBlock) {
      const int64_t size = std::min(kBlock, width - begin);
      std::fill_n(sums, size, 0.0f);
      for (int64_t choice = token * choices; choice < (token + 1) * choices; ++choice) {
        const T* row = rows + places[choice] * width + begin;
        const float weight = weights ? weights[choice] : 1.0f;
#pragma omp simd
        for (int64_t i = 0; i < size; ++i) sums[i] += weight * widen(row[i]);
      }
      T* to = out + token * width + begin;
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) to[i] = round_to<T>(sums[i]);
    }
  }
};

/// d_rows[place] = weight * d_out[token] and d_weight = d_out[token] . rows[place].
template <class T>
struct CombineRowsBackward {
  static constexpr std::string_view kOp = "combine_rows backward";
  using Element = T;
  const T *d_out, *rows;
  const float* weights;
  const int64_t* places;
  T* d_rows;
  float* d_weights;
  int64_t width, choices;

  void operator()(int64_t choice) const {
    const T *d = d_out + choice / choices * width, *row = rows + places[choice] * width;
    T* d_row = d_rows + places[choice] * width;
    const float weight = weights[choice];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < width; ++i) {
      dot += widen(d[i]) * widen(row[i]);
      d_row[i] = round_to<T>(weight * widen(d[i]));
    }
    d_weights[choice] = dot;
  }
};

}  // namespace ingot::ops
