#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "ops/kernels/element.h"

namespace ingot::ops {

/// Sum of e^(x - max): fp32 within 256 terms, double over them.
template <class T>
double sum_of_exponentials(const T* logits, float max, int64_t n) {
  constexpr int64_t kTerms = 256;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kTerms) {
    const int64_t end = std::min(n, begin + kTerms);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += fast_exp(widen(logits[i]) - max);
    total += sum;
  }
  return total;
}

/// A row's cross entropy times its weight; with `make_gradient` the logits become (softmax(logits) - onehot(label)) * weight.
template <class T>
struct CrossEntropyRow {
  static constexpr std::string_view kOp = "linear_cross_entropy";
  using Element = T;
  T* logits;              // [rows, n]
  const int64_t* labels;
  const float* weights;   // null: 1 each
  double* losses;
  int64_t n;
  bool make_gradient;

  void operator()(int64_t i) const {
    T* row = logits + i * n;
    const float weight = weights ? weights[i] : 1.0f;
    float max = -INFINITY;
#pragma omp simd reduction(max : max)
    for (int64_t j = 0; j < n; ++j) max = std::max(max, widen(row[j]));
    const double sum = sum_of_exponentials(row, max, n);
    const float at_label = widen(row[labels[i]]);
    losses[i] = weight * (std::log(sum) + max - at_label);
    if (!make_gradient) return;
    const float inverse = static_cast<float>(1 / sum), factor = inverse * weight;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) row[j] = round_to<T>(fast_exp(widen(row[j]) - max) * factor);
    row[labels[i]] = round_to<T>((fast_exp(at_label - max) * inverse - 1.0f) * weight);
  }
};

}  // namespace ingot::ops
