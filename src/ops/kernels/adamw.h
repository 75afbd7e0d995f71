#pragma once

#include <c10/util/BFloat16.h>

#include <cmath>
#include <string_view>

#include "ops/kernels/element.h"

namespace ingot::ops {

/// The update's constants, worked out once in double.
struct AdamwFactors {
  float gradient_scale, beta1, beta2, keep, step_size, inverse_root2, eps;
};

/// A block of one tensor's update.
struct AdamwBlock {
  static constexpr std::string_view kOp = "adamw_step";
  using Element = float;
  AdamwFactors f;
  const float* gradient;
  float *master, *first, *second;
  c10::BFloat16* weight;  // null when the model computes with master
  int64_t n;

  void operator()(int64_t block) const {
    const auto [begin, end] = Block(block, n);
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float g = gradient[i] * f.gradient_scale;
      const float m = f.beta1 * first[i] + (1 - f.beta1) * g;
      const float v = f.beta2 * second[i] + (1 - f.beta2) * g * g;
      first[i] = m;
      second[i] = v;
      master[i] = master[i] * f.keep - f.step_size * m / (std::sqrt(v) * f.inverse_root2 + f.eps);
    }
    if (weight == nullptr) return;
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) weight[i] = round_to<c10::BFloat16>(master[i]);
  }
};

/// sums[block] = the sum of a block's squares.
template <class T>
struct SumOfSquares {
  static constexpr std::string_view kOp = "sum_of_squares";
  using Element = T;
  const T* values;
  double* sums;
  int64_t n;

  void operator()(int64_t block) const {
    const auto [begin, end] = Block(block, n);
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) {
      const double value = widen(values[i]);
      sum += value * value;
    }
    sums[block] = sum;
  }
};

}  // namespace ingot::ops
