#include "ops/expert_rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "ops/fused.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// out[token] = sum over choices of weight * rows[place]. `weights` may be undefined: all 1.
template <class T>
void sum_choices(const at::Tensor& rows, const at::Tensor& weights, const at::Tensor& places, at::Tensor& out) {
  const int64_t width = rows.size(1), choices = places.size(1);
  const T* rows_data = rows.const_data_ptr<T>();
  const auto* places_data = places.const_data_ptr<int64_t>();
  const float* weights_data = weights.defined() ? weights.const_data_ptr<float>() : nullptr;
  T* out_data = out.mutable_data_ptr<T>();
  parallel_rows(places.size(0), width * choices, [&](int64_t token) {
    constexpr int64_t kBlock = 256;
    float sums[kBlock];
    for (int64_t begin = 0; begin < width; begin += kBlock) {
      const int64_t size = std::min(kBlock, width - begin);
      std::fill_n(sums, size, 0.0f);
      for (int64_t choice = token * choices; choice < (token + 1) * choices; ++choice) {
        const T* row = rows_data + places_data[choice] * width + begin;
        const float weight = weights_data ? weights_data[choice] : 1.0f;
#pragma omp simd
        for (int64_t i = 0; i < size; ++i) sums[i] += weight * widen(row[i]);
      }
      T* to = out_data + token * width + begin;
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) to[i] = round_to<T>(sums[i]);
    }
  });
}

at::Tensor sum_choices(const at::Tensor& rows, const at::Tensor& weights, const at::Tensor& places) {
  auto out = at::empty({places.size(0), rows.size(1)}, rows.options());
  visit_dtype(rows, [&]<class T>(T) { sum_choices<T>(rows, weights, places, out); });
  return out;
}

/// d_rows[place] = weight * d_out[token] and d_weight = d_out[token] . rows[place].
template <class T>
void combine_backward(const at::Tensor& d_out, const variable_list& saved, at::Tensor& d_rows, at::Tensor& d_weights) {
  const auto &rows = saved[0], &weights = saved[1], &places = saved[2];
  const int64_t width = rows.size(1), choices = places.size(1);
  const T *rows_data = rows.const_data_ptr<T>(), *d_out_data = d_out.const_data_ptr<T>();
  const float* weights_data = weights.const_data_ptr<float>();
  const auto* places_data = places.const_data_ptr<int64_t>();
  T* d_rows_data = d_rows.mutable_data_ptr<T>();
  float* d_weights_data = d_weights.mutable_data_ptr<float>();
  parallel_rows(places.numel(), width, [&](int64_t choice) {
    const T *d = d_out_data + choice / choices * width, *row = rows_data + places_data[choice] * width;
    T* d_row = d_rows_data + places_data[choice] * width;
    const float weight = weights_data[choice];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < width; ++i) {
      dot += widen(d[i]) * widen(row[i]);
      d_row[i] = round_to<T>(weight * widen(d[i]));
    }
    d_weights_data[choice] = dot;
  });
}

struct GatherRows : torch::autograd::Function<GatherRows> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& tokens,
                            const at::Tensor& places) {
    ctx->save_for_backward({places});
    return x.index_select(0, tokens);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    return {sum_choices(grads[0].contiguous(), {}, ctx->get_saved_variables()[0]), {}, {}};
  }
};

struct CombineRows : torch::autograd::Function<CombineRows> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& given_rows, const at::Tensor& given_weights,
                            const at::Tensor& places) {
    const auto rows = given_rows.contiguous(), weights = given_weights.contiguous();
    ctx->save_for_backward({rows, weights, places});
    return sum_choices(rows, weights, places);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto d_out = grads[0].contiguous();
    auto d_rows = at::empty_like(saved[0]), d_weights = at::empty_like(saved[1]);
    visit_dtype(d_out, [&]<class T>(T) { combine_backward<T>(d_out, saved, d_rows, d_weights); });
    return {d_rows, d_weights, {}};
  }
};

}  // namespace

at::Tensor gather_rows(const at::Tensor& x, const ExpertOrder& order) {
  TORCH_CHECK(x.dim() == 2 && x.size(0) == order.places.size(0), "gather_rows: x ", x.sizes(), " for ",
              order.places.size(0), " tokens");
  return has_fused_kernel({x}) ? GatherRows::apply(x, order.tokens, order.places) : gather_rows_composite(x, order);
}

at::Tensor combine_rows(const at::Tensor& rows, const at::Tensor& weights, const ExpertOrder& order) {
  TORCH_CHECK(rows.dim() == 2 && rows.size(0) == order.places.numel() && weights.sizes() == order.places.sizes(),
              "combine_rows: rows ", rows.sizes(), " and weights ", weights.sizes(), " for choices ",
              order.places.sizes());
  return has_fused_kernel({rows}) && has_fused_kernel({weights}) ? CombineRows::apply(rows, weights, order.places)
                                                                 : combine_rows_composite(rows, weights, order);
}

at::Tensor gather_rows_composite(const at::Tensor& x, const ExpertOrder& order) {
  return x.index_select(0, order.tokens);
}

at::Tensor combine_rows_composite(const at::Tensor& rows, const at::Tensor& weights, const ExpertOrder& order) {
  const auto by_token = rows.index_select(0, order.places.flatten()).unflatten(0, order.places.sizes());
  return (by_token * weights.unsqueeze(-1))
      .sum(1)
      .to(rows.scalar_type());  // [tokens, choices, width] to [tokens, width]
}

}  // namespace ingot::ops
