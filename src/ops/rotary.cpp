#include "ops/rotary.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/dispatch.h"
#include "ops/kernels/rotary.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Rotates by the angles, or back with `direction` -1.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, RotaryPairs pairs,
                  float direction) {
  const int64_t seq = x.size(1), heads = x.size(2), size = x.size(3), half = cos.size(2);
  const int64_t table_rows = cos.size(0) * seq;  // one table for all of the batch when cos.size(0) is 1
  const bool halves = pairs == RotaryPairs::kHalves;
  auto out = at::empty_like(x);
  visit_dtype(x, [&]<class T>(T) {
    run(x.size(0) * seq, heads * size,
        RotateRow<T>{x.const_data_ptr<T>(), cos.const_data_ptr<float>(), sin.const_data_ptr<float>(), out.mutable_data_ptr<T>(),
                     direction, heads, size, half, table_rows, halves ? half : 1, halves ? 1 : 2});
  });
  return out;
}

struct Rotary : torch::autograd::Function<Rotary> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                            RotaryPairs pairs) {
    ctx->save_for_backward({cos, sin});
    ctx->saved_data["pairs"] = static_cast<int64_t>(pairs);
    return rotate(x.contiguous(), cos, sin, pairs, 1);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto pairs = static_cast<RotaryPairs>(ctx->saved_data["pairs"].toInt());
    return {rotate(grads[0].contiguous(), saved[0], saved[1], pairs, -1), {}, {}, {}};
  }
};

}  // namespace

at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, RotaryPairs pairs) {
  TORCH_CHECK(x.dim() == 4 && cos.dim() == 3 && cos.sizes() == sin.sizes() && cos.size(1) == x.size(1) &&
                  (cos.size(0) == 1 || cos.size(0) == x.size(0)) && 2 * cos.size(2) <= x.size(3),
              "rotary: cos ", cos.sizes(), " and sin ", sin.sizes(), " do not fit x ", x.sizes());
  if (!has_kernel({x}) || !has_kernel({cos, sin}) || cos.scalar_type() != at::kFloat)
    return rotary_composite(x, cos, sin, pairs);
  return Rotary::apply(x, cos.contiguous(), sin.contiguous(), pairs);
}

at::Tensor rotary_composite(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, RotaryPairs pairs) {
  const int64_t half = cos.size(2), inner = pairs == RotaryPairs::kHalves ? 3 : 4;  // the dim of a pair's two members
  const auto wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const auto rotated = wide.narrow(3, 0, 2 * half).unflatten(3, inner == 3 ? at::IntArrayRef{2, half}
                                                                             : at::IntArrayRef{half, 2});
  const auto rest = wide.narrow(3, 2 * half, x.size(3) - 2 * half);
  const auto first = rotated.select(inner, 0), second = rotated.select(inner, 1);
  const auto c = cos.unsqueeze(2), s = sin.unsqueeze(2);  // [batch or 1, seq, 1, rotary/2]
  const auto turned = at::stack({first * c - second * s, second * c + first * s}, inner).flatten(3);
  return at::cat({turned, rest}, 3).to(x.scalar_type());
}

}  // namespace ingot::ops
