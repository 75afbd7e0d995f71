#include "ops/adamw.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "ops/op_checks.h"

namespace ingot::ops {
namespace {

constexpr AdamwArguments kArguments{.learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8,
                                    .weight_decay = 0.1, .step = 1, .gradient_scale = 0.5};

struct State {
  explicit State(int64_t n, at::ScalarType dtype = at::kFloat)
      : master(at::randn({n}, dtype)), first(at::zeros({n}, dtype)), second(at::zeros({n}, dtype)) {}
  at::Tensor master, first, second, weight;
};

/// The update written out in double, step by step as the paper and torch.optim.AdamW have it.
void plain_step(const AdamwArguments& a, const at::Tensor& gradient, State& s) {
  const auto g = gradient.to(at::kDouble) * a.gradient_scale;
  s.master.sub_(s.master * (a.learning_rate * a.weight_decay));
  s.first = a.beta1 * s.first + (1 - a.beta1) * g;
  s.second = a.beta2 * s.second + (1 - a.beta2) * g * g;
  const auto m = s.first / (1 - std::pow(a.beta1, a.step)), v = s.second / (1 - std::pow(a.beta2, a.step));
  s.master.sub_(a.learning_rate * m / (v.sqrt() + a.eps));
}

TEST(AdamwStep, FollowsThePlainUpdateOverSteps) {
  at::manual_seed(1);
  State found(40001), wanted(1);
  wanted.master = found.master.to(at::kDouble);
  wanted.first = wanted.second = at::zeros({40001}, at::kDouble);
  auto arguments = kArguments;
  for (arguments.step = 1; arguments.step <= 20; ++arguments.step) {
    const auto gradient = at::randn({40001});
    adamw_step(arguments, gradient, found.master, found.first, found.second, found.weight);
    plain_step(arguments, gradient, wanted);
  }
  EXPECT_LE(relative_error(found.master, wanted.master), 1e-6);
  EXPECT_LE(relative_error(found.second, wanted.second), 1e-6);
}

TEST(AdamwStep, WritesTheRoundedMasterIntoTheWeight) {
  at::manual_seed(2);
  State state(1000);
  state.weight = at::zeros({1000}, at::kBFloat16);
  adamw_step(kArguments, at::randn({1000}), state.master, state.first, state.second, state.weight);
  EXPECT_TRUE(at::equal(state.weight, state.master.to(at::kBFloat16)));
}

TEST(AdamwStep, RejectsAGradientOfAnotherDtype) {
  State state(4);
  const auto gradient = at::ones({4}, at::kBFloat16);
  EXPECT_THROW(adamw_step(kArguments, gradient, state.master, state.first, state.second, state.weight), c10::Error);
}

TEST(SumOfSquares, EqualsTheSumInDouble) {
  at::manual_seed(3);
  for (const int64_t n : {0, 1, 16384, 100001}) {
    const auto values = at::randn({n});
    EXPECT_NEAR(sum_of_squares(values), values.to(at::kDouble).square().sum().item<double>(), 1e-9 * (n + 1.0));
    const auto narrow = values.to(at::kBFloat16);
    EXPECT_NEAR(sum_of_squares(narrow), narrow.to(at::kDouble).square().sum().item<double>(), 1e-9 * (n + 1.0));
  }
}

TEST(SumOfSquares, DoesNotDependOnThreads) {
  at::manual_seed(4);
  const auto values = at::randn({500000});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const double one = sum_of_squares(values);
  at::set_num_threads(2);
  EXPECT_EQ(sum_of_squares(values), one);
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace ingot::ops
