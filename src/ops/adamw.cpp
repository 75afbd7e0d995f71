#include "ops/adamw.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "ops/fused.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

/// The update's constants, worked out once in double.
struct Factors {
  float gradient_scale, beta1, beta2, keep, step_size, inverse_root2, eps;
};

Factors factors_of(const AdamwArguments& a) {
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

struct Pointers {
  const float* gradient;
  float *master, *first, *second;
  c10::BFloat16* weight;  // null when the model computes with master
};

void update(const Factors& f, const Pointers& p, int64_t begin, int64_t end) {
  const float* gradient = p.gradient;
  float *master = p.master, *first = p.first, *second = p.second;
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float g = gradient[i] * f.gradient_scale;
    const float m = f.beta1 * first[i] + (1 - f.beta1) * g;
    const float v = f.beta2 * second[i] + (1 - f.beta2) * g * g;
    first[i] = m;
    second[i] = v;
    master[i] = master[i] * f.keep - f.step_size * m / (std::sqrt(v) * f.inverse_root2 + f.eps);
  }
  if (p.weight == nullptr) return;
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) p.weight[i] = round_to<c10::BFloat16>(master[i]);
}

void update_fused(const AdamwArguments& arguments, const Pointers& pointers, int64_t n) {
  const Factors factors = factors_of(arguments);
  parallel_blocks(n, [&](int64_t begin, int64_t end) { update(factors, pointers, begin, end); });
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

template <class T>
double block_sum(const T* values, int64_t begin, int64_t end) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = begin; i < end; ++i) {
    const double value = widen(values[i]);
    sum += value * value;
  }
  return sum;
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
  if (!has_fused_kernel({gradient, master, first_moment, second_moment}))
    return update_composite(arguments, gradient, master, first_moment, second_moment, weight);
  update_fused(arguments,
               {gradient.const_data_ptr<float>(), master.mutable_data_ptr<float>(),
                first_moment.mutable_data_ptr<float>(), second_moment.mutable_data_ptr<float>(),
                weight.defined() ? weight.mutable_data_ptr<c10::BFloat16>() : nullptr},
               master.numel());
}

double sum_of_squares(const at::Tensor& values) {
  if (!has_fused_kernel({values})) return values.detach().to(at::kDouble).square().sum().item<double>();
  const auto flat = values.detach().contiguous();
  std::vector<double> sums((flat.numel() + kGrain - 1) / kGrain);
  visit_dtype(flat, [&]<class T>(T) {
    const T* data = flat.const_data_ptr<T>();
    parallel_blocks(flat.numel(), [&](int64_t begin, int64_t end) {
      sums[begin / kGrain] = block_sum(data, begin, end);
    });
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace ingot::ops
