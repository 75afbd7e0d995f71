#include "ops/unit_rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "ops/fused.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr float kLeastLength = 1e-12f;

template <class T>
float inverse_length(const T* row, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += widen(row[i]) * widen(row[i]);
  return 1.0f / std::max(std::sqrt(sum), kLeastLength);
}

template <class T>
void scale_row(const T* row, T* out, int64_t n) {
  const float inverse = inverse_length(row, n);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) out[i] = round_to<T>(widen(row[i]) * inverse);
}

/// d_w = (d_out - u (u . d_out)) / |w| with u = w / |w|; a row below the least length is only scaled.
template <class T>
void scale_row_backward(const T* d_out, const T* row, T* d_row, int64_t n) {
  const float inverse = inverse_length(row, n);
  float dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t i = 0; i < n; ++i) dot += widen(d_out[i]) * widen(row[i]);
  const float slope = inverse < 1.0f / kLeastLength ? dot * inverse * inverse : 0.0f;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) d_row[i] = round_to<T>(inverse * (widen(d_out[i]) - widen(row[i]) * slope));
}

struct UnitRows : torch::autograd::Function<UnitRows> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& weight) {
    auto out = at::empty_like(weight);
    const int64_t n = weight.size(1);
    visit_dtype(weight, [&]<class T>(T) {
      const T* from = weight.const_data_ptr<T>();
      T* to = out.mutable_data_ptr<T>();
      parallel_rows(weight.size(0), n, [&](int64_t row) { scale_row(from + row * n, to + row * n, n); });
    });
    ctx->save_for_backward({weight});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto weight = ctx->get_saved_variables()[0], d_out = grads[0].contiguous();
    auto d_weight = at::empty_like(weight);
    const int64_t n = weight.size(1);
    visit_dtype(weight, [&]<class T>(T) {
      const T *slope = d_out.const_data_ptr<T>(), *from = weight.const_data_ptr<T>();
      T* to = d_weight.mutable_data_ptr<T>();
      parallel_rows(weight.size(0), n, [&](int64_t row) {
        scale_row_backward(slope + row * n, from + row * n, to + row * n, n);
      });
    });
    return {d_weight};
  }
};

}  // namespace

at::Tensor unit_rows(const at::Tensor& weight) {
  TORCH_CHECK(weight.dim() == 2, "unit_rows: weight ", weight.sizes(), " is not [rows, columns]");
  return has_fused_kernel({weight}) ? UnitRows::apply(weight.contiguous()) : unit_rows_composite(weight);
}

at::Tensor unit_rows_composite(const at::Tensor& weight) {
  const auto wide = weight.scalar_type() == at::kDouble ? weight : weight.to(at::kFloat);
  const auto length = wide.norm(2, {1}, /*keepdim=*/true).clamp_min(kLeastLength);
  return (wide / length).to(weight.scalar_type());
}

}  // namespace ingot::ops
