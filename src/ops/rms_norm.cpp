#include "ops/rms_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "ops/fused.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class T>
float normalise_row(const T* x, const T* weight, T* out, int64_t n, float eps) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += widen(x[i]) * widen(x[i]);
  const float inverse_rms = 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    out[i] = round_to<T>(widen(weight[i]) * widen(round_to<T>(widen(x[i]) * inverse_rms)));
  return inverse_rms;
}

/// d_x = inverse_rms * (g - u * mean(g * u)) with u = x * inverse_rms and g = d_out * weight.
template <class T>
void normalise_row_backward(const T* d_out, const T* x, const T* weight, float inverse_rms, T* d_x, int64_t n) {
  float dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t i = 0; i < n; ++i) dot += widen(d_out[i]) * widen(weight[i]) * widen(x[i]);
  const float slope = dot * inverse_rms * inverse_rms / static_cast<float>(n);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    d_x[i] = round_to<T>(inverse_rms * (widen(d_out[i]) * widen(weight[i]) - widen(x[i]) * slope));
}

/// Rows that one task sums weight gradients over: at most 64 tasks, chosen by the number of rows alone.
int64_t rows_per_task(int64_t rows) { return std::max<int64_t>(16, (rows + 63) / 64); }

struct Gradients {
  at::Tensor d_x, d_weight;
};

template <class T>
at::Tensor backward_of_frozen(const at::Tensor& d_out, const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& inverse_rms) {
  const int64_t n = weight.numel();
  auto d_x = at::empty_like(x);
  const T *d_out_data = d_out.const_data_ptr<T>(), *x_data = x.const_data_ptr<T>();
  const T* weight_data = weight.const_data_ptr<T>();
  const float* rms_data = inverse_rms.const_data_ptr<float>();
  T* d_x_data = d_x.mutable_data_ptr<T>();
  parallel_rows(inverse_rms.numel(), n, [&](int64_t row) {
    normalise_row_backward(d_out_data + row * n, x_data + row * n, weight_data, rms_data[row], d_x_data + row * n, n);
  });
  return d_x;
}

template <class T>
Gradients backward_rows(const at::Tensor& d_out, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& inverse_rms) {
  const int64_t n = weight.numel(), rows = inverse_rms.numel();
  const int64_t per_task = rows_per_task(rows), tasks = (rows + per_task - 1) / per_task;
  auto d_x = at::empty_like(x);
  auto partial = at::zeros({tasks, n}, x.options().dtype(at::kFloat));
  const T *d_out_data = d_out.const_data_ptr<T>(), *x_data = x.const_data_ptr<T>();
  const T* weight_data = weight.const_data_ptr<T>();
  const float* rms_data = inverse_rms.const_data_ptr<float>();
  T* d_x_data = d_x.mutable_data_ptr<T>();
  float* partial_data = partial.mutable_data_ptr<float>();
  parallel_rows(tasks, per_task * n, [&](int64_t task) {
    float* d_weight = partial_data + task * n;
    for (int64_t row = task * per_task; row < std::min(rows, (task + 1) * per_task); ++row) {
      const T *d_out_row = d_out_data + row * n, *x_row = x_data + row * n;
      const float scale = rms_data[row];
      normalise_row_backward(d_out_row, x_row, weight_data, scale, d_x_data + row * n, n);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) d_weight[i] += widen(d_out_row[i]) * (widen(x_row[i]) * scale);
    }
  });
  return {d_x, partial.sum(0).to(weight.scalar_type())};
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& weight_in, double eps) {
    const auto x = x_in.contiguous(), weight = weight_in.contiguous();
    const int64_t n = weight.numel(), rows = n == 0 ? 0 : x.numel() / n;
    auto out = at::empty_like(x);
    auto inverse_rms = at::empty({rows}, x.options().dtype(at::kFloat));
    visit_dtype(x, [&]<class T>(T) {
      const T *x_data = x.const_data_ptr<T>(), *weight_data = weight.const_data_ptr<T>();
      T* out_data = out.mutable_data_ptr<T>();
      float* rms_data = inverse_rms.mutable_data_ptr<float>();
      parallel_rows(rows, n, [&](int64_t row) {
        rms_data[row] = normalise_row(x_data + row * n, weight_data, out_data + row * n, n, static_cast<float>(eps));
      });
    });
    ctx->save_for_backward({x, weight, inverse_rms});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto d_out = grads[0].contiguous();
    const auto found = visit_dtype(d_out, [&]<class T>(T) {
      if (!ctx->needs_input_grad(1)) return Gradients{backward_of_frozen<T>(d_out, saved[0], saved[1], saved[2]), {}};
      return backward_rows<T>(d_out, saved[0], saved[1], saved[2]);
    });
    return {found.d_x, found.d_weight, {}};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  TORCH_CHECK(weight.dim() == 1 && x.dim() >= 1 && x.size(-1) == weight.size(0), "rms_norm: x ", x.sizes(),
              " does not end in the size of weight ", weight.sizes());
  return has_fused_kernel({x, weight}) ? RmsNorm::apply(x, weight, eps) : rms_norm_composite(x, weight, eps);
}

at::Tensor rms_norm_composite(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const auto wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const auto normalised = wide * at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  return weight * normalised.to(x.scalar_type());
}

}  // namespace ingot::ops
