#include "ops/expert_rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/dispatch.h"
#include "ops/kernels/expert_rows.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// out[token] = sum over choices of weight * rows[place]. `weights` may be undefined: all 1.
at::Tensor sum_choices(const at::Tensor& rows, const at::Tensor& weights, const at::Tensor& places) {
  auto out = at::empty({places.size(0), rows.size(1)}, rows.options());
  visit_dtype(rows, [&]<class T>(T) {
    run(places.size(0), rows.size(1) * places.size(1),
        SumChoices<T>{rows.const_data_ptr<T>(), weights.defined() ? weights.const_data_ptr<float>() : nullptr,
                      places.const_data_ptr<int64_t>(), out.mutable_data_ptr<T>(), rows.size(1), places.size(1)});
  });
  return out;
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
    const auto &rows = saved[0], &weights = saved[1], &places = saved[2], d_out = grads[0].contiguous();
    auto d_rows = at::empty_like(rows), d_weights = at::empty_like(weights);
    visit_dtype(d_out, [&]<class T>(T) {
      run(places.numel(), rows.size(1),
          CombineRowsBackward<T>{d_out.const_data_ptr<T>(), rows.const_data_ptr<T>(), weights.const_data_ptr<float>(),
                                 places.const_data_ptr<int64_t>(), d_rows.mutable_data_ptr<T>(), d_weights.mutable_data_ptr<float>(),
                                 rows.size(1), places.size(1)});
    });
    return {d_rows, d_weights, {}};
  }
};

}  // namespace

at::Tensor gather_rows(const at::Tensor& x, const ExpertOrder& order) {
  TORCH_CHECK(x.dim() == 2 && x.size(0) == order.places.size(0), "gather_rows: x ", x.sizes(), " for ",
              order.places.size(0), " tokens");
  return has_kernel({x}) ? GatherRows::apply(x, order.tokens, order.places) : gather_rows_composite(x, order);
}

at::Tensor combine_rows(const at::Tensor& rows, const at::Tensor& weights, const ExpertOrder& order) {
  TORCH_CHECK(rows.dim() == 2 && rows.size(0) == order.places.numel() && weights.sizes() == order.places.sizes(),
              "combine_rows: rows ", rows.sizes(), " and weights ", weights.sizes(), " for choices ",
              order.places.sizes());
  return has_kernel({rows}) && has_kernel({weights}) ? CombineRows::apply(rows, weights, order.places)
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
