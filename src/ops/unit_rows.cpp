#include "ops/unit_rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/dispatch.h"
#include "ops/kernels/unit_rows.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct UnitRows : torch::autograd::Function<UnitRows> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& weight) {
    auto out = at::empty_like(weight);
    const int64_t n = weight.size(1);
    visit_dtype(weight, [&]<class T>(T) {
      run(weight.size(0), n, UnitRow<T>{weight.const_data_ptr<T>(), out.mutable_data_ptr<T>(), n});
    });
    ctx->save_for_backward({weight});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto weight = ctx->get_saved_variables()[0], d_out = grads[0].contiguous();
    auto d_weight = at::empty_like(weight);
    const int64_t n = weight.size(1);
    visit_dtype(weight, [&]<class T>(T) {
      run(weight.size(0), n,
          UnitRowBackward<T>{d_out.const_data_ptr<T>(), weight.const_data_ptr<T>(), d_weight.mutable_data_ptr<T>(), n});
    });
    return {d_weight};
  }
};

}  // namespace

at::Tensor unit_rows(const at::Tensor& weight) {
  TORCH_CHECK(weight.dim() == 2, "unit_rows: weight ", weight.sizes(), " is not [rows, columns]");
  return has_kernel({weight}) ? UnitRows::apply(weight.contiguous()) : unit_rows_composite(weight);
}

at::Tensor unit_rows_composite(const at::Tensor& weight) {
  const auto wide = weight.scalar_type() == at::kDouble ? weight : weight.to(at::kFloat);
  const auto length = wide.norm(2, {1}, /*keepdim=*/true).clamp_min(kLeastLength);
  return (wide / length).to(weight.scalar_type());
}

}  // namespace ingot::ops
