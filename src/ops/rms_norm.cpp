#include "ops/rms_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "ops/dispatch.h"
#include "ops/kernels/rms_norm.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Rows that one task sums weight gradients over: at most 64 tasks, chosen by the number of rows alone.
int64_t rows_per_task(int64_t rows) { return std::max<int64_t>(16, (rows + 63) / 64); }

struct Gradients {
  at::Tensor d_x, d_weight;
};

template <class T>
RmsNormRowBackward<T> by_row(const at::Tensor& d_out, const variable_list& saved, at::Tensor& d_x) {
  const auto &x = saved[0], &weight = saved[1], &inverse_rms = saved[2];
  return {d_out.const_data_ptr<T>(), x.const_data_ptr<T>(), weight.const_data_ptr<T>(), inverse_rms.const_data_ptr<float>(),
          d_x.mutable_data_ptr<T>(), weight.numel()};
}

template <class T>
Gradients backward_of_frozen(const at::Tensor& d_out, const variable_list& saved) {
  auto d_x = at::empty_like(saved[0]);
  run(saved[2].numel(), saved[1].numel(), by_row<T>(d_out, saved, d_x));
  return {d_x, {}};
}

template <class T>
Gradients backward_rows(const at::Tensor& d_out, const variable_list& saved) {
  const auto &x = saved[0], &weight = saved[1];
  const int64_t n = weight.numel(), rows = saved[2].numel();
  const int64_t per_task = rows_per_task(rows), tasks = (rows + per_task - 1) / per_task;
  auto d_x = at::empty_like(x);
  auto partial = at::zeros({tasks, n}, x.options().dtype(at::kFloat));
  run(tasks, per_task * n, RmsNormRowsBackward<T>{by_row<T>(d_out, saved, d_x), partial.mutable_data_ptr<float>(), rows, per_task});
  return {d_x, partial.sum(0).to(weight.scalar_type())};
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& weight_in, double eps) {
    const auto x = x_in.contiguous(), weight = weight_in.contiguous();
    const int64_t n = weight.numel(), rows = n == 0 ? 0 : x.numel() / n;
    auto out = at::empty_like(x);
    auto inverse_rms = at::empty({rows}, x.options().dtype(at::kFloat));
    visit_dtype(x, [&]<class T>(T) {
      run(rows, n, RmsNormRow<T>{x.const_data_ptr<T>(), weight.const_data_ptr<T>(), out.mutable_data_ptr<T>(),
                                 inverse_rms.mutable_data_ptr<float>(), n, static_cast<float>(eps)});
    });
    ctx->save_for_backward({x, weight, inverse_rms});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto d_out = grads[0].contiguous();
    const auto found = visit_dtype(d_out, [&]<class T>(T) {
      return ctx->needs_input_grad(1) ? backward_rows<T>(d_out, saved) : backward_of_frozen<T>(d_out, saved);
    });
    return {found.d_x, found.d_weight, {}};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  TORCH_CHECK(weight.dim() == 1 && x.dim() >= 1 && x.size(-1) == weight.size(0), "rms_norm: x ", x.sizes(),
              " does not end in the size of weight ", weight.sizes());
  return has_kernel({x, weight}) ? RmsNorm::apply(x, weight, eps) : rms_norm_composite(x, weight, eps);
}

at::Tensor rms_norm_composite(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const auto wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const auto normalised = wide * at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  return weight * normalised.to(x.scalar_type());
}

}  // namespace ingot::ops
