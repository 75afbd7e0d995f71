#include "ops/adamw.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "ops/dispatch.h"
#include "ops/kernels/adamw.h"

namespace ingot::ops {
namespace {

AdamwFactors factors_of(const AdamwArguments& a) {
  const double correction1 = 1 - std::pow(a.beta1, static_cast<double>(a.step));
  const double correction2 = 1 - std::pow(a.beta2, static_cast<double>(a.step));
  return {static_cast<float>(a.gradient_scale),
          static_cast<float>(a.beta1),
          static_cast<float>(a.beta2),
          static_cast<float>(1 - a.learning_rate * a.weight_decay),
          static_cast<float>(a.learning_rate / correction1),
          static_cast<float>(1 / std::sqrt(correction2)),
          static_cast<float>(a.eps)};
}

void update_composite(const AdamwArguments& a, const at::Tensor& gradient, at::Tensor& master, at::Tensor& first,
                      at::Tensor& second, at::Tensor& weight) {
  const auto scaled = gradient * a.gradient_scale;
  const double correction1 = 1 - std::pow(a.beta1, static_cast<double>(a.step));
  const double correction2 = 1 - std::pow(a.beta2, static_cast<double>(a.step));
  first.mul_(a.beta1).add_(scaled, 1 - a.beta1);
  second.mul_(a.beta2).addcmul_(scaled, scaled, 1 - a.beta2);
  master.mul_(1 - a.learning_rate * a.weight_decay);
  master.addcdiv_(first, second.sqrt().div_(std::sqrt(correction2)).add_(a.eps), -a.learning_rate / correction1);
  if (weight.defined()) weight.copy_(master);
}

}  // namespace

void adamw_step(const AdamwArguments& arguments, const at::Tensor& gradient, at::Tensor& master,
                at::Tensor& first_moment, at::Tensor& second_moment, at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  for (const auto& state : {gradient, master, first_moment, second_moment})
    TORCH_CHECK(state.scalar_type() == at::kFloat && state.is_contiguous() && state.sizes() == master.sizes(),
                "adamw_step: wanted contiguous float32 ", master.sizes(), ", found ", state.scalar_type(), " ",
                state.sizes());
  TORCH_CHECK(!weight.defined() || (weight.scalar_type() == at::kBFloat16 && weight.is_contiguous() &&
                                    weight.sizes() == master.sizes()),
              "adamw_step: weight is not a contiguous bfloat16 ", master.sizes());
  TORCH_CHECK(arguments.step >= 1, "adamw_step: step ", arguments.step, " is below 1");
  if (!has_kernel({gradient, master, first_moment, second_moment}))
    return update_composite(arguments, gradient, master, first_moment, second_moment, weight);
  run_blocks(master.numel(), AdamwBlock{factors_of(arguments), gradient.const_data_ptr<float>(), master.mutable_data_ptr<float>(),
                                        first_moment.mutable_data_ptr<float>(), second_moment.mutable_data_ptr<float>(),
                                        weight.defined() ? weight.mutable_data_ptr<c10::BFloat16>() : nullptr, master.numel()});
}

double sum_of_squares(const at::Tensor& values) {
  if (!has_kernel({values})) return values.detach().to(at::kDouble).square().sum().item<double>();
  const auto flat = values.detach().contiguous();
  std::vector<double> sums((flat.numel() + kGrain - 1) / kGrain);
  visit_dtype(flat, [&]<class T>(T) {
    run_blocks(flat.numel(), SumOfSquares<T>{flat.const_data_ptr<T>(), sums.data(), flat.numel()});
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace ingot::ops
