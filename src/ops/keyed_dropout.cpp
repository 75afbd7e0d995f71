#include "ops/keyed_dropout.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "ops/dispatch.h"
#include "ops/kernels/keyed_dropout.h"

namespace ingot::ops {
namespace {

Keep keep_of(double probability) {
  const double threshold = std::min(65535.0, std::round(probability * 65536));
  return {static_cast<uint16_t>(threshold), static_cast<float>(65536.0 / (65536.0 - threshold))};
}

}  // namespace

at::Tensor keyed_dropout(const at::Tensor& x_in, const at::Tensor& keys_in, const DropoutRule& rule) {
  TORCH_CHECK(x_in.dim() == 2 && keys_in.dim() == 1 && keys_in.size(0) == x_in.size(0) &&
                  keys_in.scalar_type() == at::kLong,
              "keyed_dropout: x ", x_in.sizes(), " and keys ", keys_in.sizes(), " do not fit");
  TORCH_CHECK(rule.probability >= 0 && rule.probability < 1, "keyed_dropout: probability ", rule.probability);
  const at::NoGradGuard no_grad;
  if (!has_kernel({x_in})) {  // the factors are made on the CPU
    const auto ones = at::ones(x_in.sizes(), at::kFloat);
    return x_in * keyed_dropout(ones, keys_in.to(at::kCPU), rule).to(x_in.device(), x_in.scalar_type());
  }
  const auto x = x_in.contiguous(), keys = keys_in.to(at::kCPU).contiguous();
  auto out = at::empty_like(x);
  const int64_t width = x.size(1);
  visit_dtype(x, [&]<class T>(T) {
    run(x.size(0), width, DropRow<T>{x.const_data_ptr<T>(), out.mutable_data_ptr<T>(), keys.const_data_ptr<int64_t>(), width,
                                     rule.stream, keep_of(rule.probability)});
  });
  return out;
}

at::Tensor dropped(const at::Tensor& x, const at::Tensor& keys, const DropoutRule& rule) {
  if (!keys.defined() || rule.probability == 0) return x;
  const auto ones = at::ones({keys.numel(), x.size(-1)}, x.options().requires_grad(false));
  return x * keyed_dropout(ones, keys.flatten(), rule).view(x.sizes());
}

}  // namespace ingot::ops
