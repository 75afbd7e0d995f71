#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "core/error.h"
#include "train/saved_state.h"

namespace ingot::train {
namespace {

model::ParameterList make_parameters(const std::vector<at::Tensor>& values) {
  model::ParameterList list;
  for (size_t i = 0; i < values.size(); ++i) {
    auto& parameter = list.parameters.emplace_back(std::make_shared<model::Parameter>(model::ParameterSpec{.name = "p" + std::to_string(i), .shape = values[i].sizes().vec()}));
    parameter->value = values[i].clone();
  }
  return list;
}

at::Tensor& value(model::ParameterList& list, size_t i) { return list.parameters[i]->value; }

void give_gradient(model::ParameterList& list, size_t i, const at::Tensor& gradient) {
  value(list, i).mutable_grad() = gradient.to(value(list, i).scalar_type()).clone();
}

/// torch.optim.AdamW written out in double.
struct PlainAdamw {
  at::Tensor value, first = at::zeros_like(value), second = at::zeros_like(value);
  void step(const at::Tensor& gradient, double lr, const OptimizerConfig& c, double decay, int t) {
    value = value * (1 - lr * decay);
    first = c.adam_beta1 * first + (1 - c.adam_beta1) * gradient;
    second = c.adam_beta2 * second + (1 - c.adam_beta2) * gradient * gradient;
    const auto corrected = second / (1 - std::pow(c.adam_beta2, t));
    value = value - lr * (first / (1 - std::pow(c.adam_beta1, t))) / (corrected.sqrt() + c.adam_epsilon);
  }
};

TEST(Optimizer, FollowsAdamwInDouble) {
  at::manual_seed(5);
  auto list = make_parameters({at::randn({7, 13}), at::randn({65})});
  list.parameters[1]->decay = false;
  const OptimizerConfig config{.weight_decay = 0.1, .max_grad_norm = 0};
  Optimizer optimizer(list, config);
  PlainAdamw plain[2] = {{value(list, 0).detach().to(at::kDouble)}, {value(list, 1).detach().to(at::kDouble)}};
  for (int t = 1; t <= 20; ++t) {
    for (size_t i = 0; i < 2; ++i) {
      const auto gradient = at::randn_like(value(list, i).detach());
      give_gradient(list, i, gradient);
      plain[i].step(gradient.to(at::kDouble) * 0.25, 1e-2, config, i == 0 ? 0.1 : 0, t);
    }
    optimizer.accumulate(); optimizer.sum_over_ranks();
    optimizer.step(1e-2, 0.25, optimizer.gradient_norm(0.25));
  }
  for (size_t i = 0; i < 2; ++i)
    EXPECT_LT((value(list, i).detach() - plain[i].value).abs().max().item<double>(), 2e-6) << i;
  EXPECT_EQ(optimizer.num_steps(), 20);
}

TEST(Optimizer, MeasuresTheNormOfScaledSums) {
  auto list = make_parameters({at::zeros({2}), at::zeros({1})});
  Optimizer optimizer(list, {});
  give_gradient(list, 0, at::tensor({3.0f, 0.0f}));
  give_gradient(list, 1, at::tensor({8.0f}));
  optimizer.accumulate();
  give_gradient(list, 0, at::tensor({3.0f, 0.0f}));
  optimizer.accumulate(); optimizer.sum_over_ranks();
  EXPECT_DOUBLE_EQ(optimizer.gradient_norm(0.5), 5.0);
}

/// First moment after one step with beta1 = 0: the gradient as the update saw it.
float seen_gradient(double max_grad_norm, float gradient) {
  auto list = make_parameters({at::zeros({1})});
  Optimizer optimizer(list, {.adam_beta1 = 0, .max_grad_norm = max_grad_norm});
  give_gradient(list, 0, at::tensor({gradient}));
  optimizer.accumulate(); optimizer.sum_over_ranks();
  optimizer.step(1e-3, 1, optimizer.gradient_norm(1));
  return optimizer.state()[0].value.item<float>();
}

TEST(Optimizer, ClipsAsTorchDoes) {
  EXPECT_FLOAT_EQ(seen_gradient(1.0, 4.0f), static_cast<float>(4.0 * (1.0 / (4.0 + 1e-6))));
  EXPECT_FLOAT_EQ(seen_gradient(1.0, 0.5f), 0.5f);
  EXPECT_FLOAT_EQ(seen_gradient(0.0, 4.0f), 4.0f);
}

TEST(Optimizer, SumsBf16GradientsInFp32) {
  auto list = make_parameters({at::zeros({1}).to(at::kBFloat16)});
  Optimizer optimizer(list, {});
  for (const float part : {256.0f, 1.0f, 1.0f}) {  // 256 + 1 is 256 in bf16
    give_gradient(list, 0, at::tensor({part}));
    optimizer.accumulate();
    EXPECT_FALSE(value(list, 0).grad().defined());
  }
  optimizer.sum_over_ranks();
  EXPECT_DOUBLE_EQ(optimizer.gradient_norm(1), 258.0);
}

TEST(Optimizer, KeepsInTheMasterWhatBf16CannotHold) {
  auto list = make_parameters({at::ones({4}).to(at::kBFloat16)});
  Optimizer optimizer(list, {});
  for (int step = 0; step < 8; ++step) {
    give_gradient(list, 0, at::ones({4}));
    optimizer.accumulate(); optimizer.sum_over_ranks();
    optimizer.step(5e-4, 1, optimizer.gradient_norm(1));  // each less than half of bf16's 2^-8 below 1
  }
  const auto master = optimizer.state()[2].value;
  EXPECT_EQ(optimizer.state()[2].name, "optimizer.master.p0");
  EXPECT_NEAR(master[0].item<float>(), 1 - 8 * 5e-4, 1e-5);
  EXPECT_TRUE(at::equal(value(list, 0).detach(), master.to(at::kBFloat16)));
  EXPECT_LT(value(list, 0)[0].item<float>(), 1.0f);
}

TEST(Optimizer, StartsMastersFromExactWeights) {
  const auto exact = at::full({4}, 1.003f);
  auto list = make_parameters({exact.to(at::kBFloat16), exact});
  Optimizer optimizer(list, {});
  optimizer.set_masters([&](const std::string& name) {
    EXPECT_EQ(name, "p0");  // a float32 parameter is its own master
    return exact;
  });
  EXPECT_TRUE(at::equal(optimizer.state()[2].value, exact));
}

TEST(Optimizer, LeavesFrozenAndUnusedParametersAlone) {
  auto list = make_parameters({at::ones({3}), at::ones({3}), at::ones({3})});
  list.parameters[0]->trainable = false;
  Optimizer optimizer(list, {.weight_decay = 0.5});
  EXPECT_FALSE(value(list, 0).requires_grad());
  EXPECT_TRUE(value(list, 1).requires_grad());
  give_gradient(list, 1, at::ones({3}));
  optimizer.accumulate(); optimizer.sum_over_ranks();
  optimizer.step(1e-1, 1, 1);
  EXPECT_TRUE(at::equal(value(list, 0), at::ones({3})));
  EXPECT_FALSE(at::equal(value(list, 1).detach(), at::ones({3})));
  EXPECT_TRUE(at::equal(value(list, 2).detach(), at::ones({3})));
  EXPECT_EQ(optimizer.state().size(), 5u);
}

/// Weights after 4 steps with gradients of the seed; the state is taken to a fresh optimizer after `moved_after`.
at::Tensor train_a_little(at::ScalarType dtype, int moved_after, int threads = 2) {
  at::set_num_threads(threads);
  at::manual_seed(9);
  auto list = make_parameters({at::randn({300, 301}).to(dtype)});
  auto optimizer = std::make_unique<Optimizer>(list, OptimizerConfig{.weight_decay = 0.01});
  for (int step = 1; step <= 4; ++step) {
    give_gradient(list, 0, at::randn({300, 301}));
    optimizer->accumulate(); optimizer->sum_over_ranks();
    optimizer->step(1e-3, 0.5, optimizer->gradient_norm(0.5));
    if (step != moved_after) continue;
    const TemporaryFolder folder;
    const auto saved = save_and_open(folder, {optimizer->state(), {}});
    optimizer = std::make_unique<Optimizer>(list, OptimizerConfig{.weight_decay = 0.01});
    optimizer->load_state(saved.store);
  }
  return value(list, 0).detach();
}

TEST(Optimizer, GoesOnFromItsStateWithTheSameBits) {
  for (const auto dtype : {at::kFloat, at::kBFloat16})
    EXPECT_TRUE(at::equal(train_a_little(dtype, 0), train_a_little(dtype, 2))) << dtype;
}

TEST(Optimizer, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto one = train_a_little(at::kFloat, 0, 1), two = train_a_little(at::kFloat, 0, 2);
  const auto three = train_a_little(at::kFloat, 0, 3);
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(one, two));
  EXPECT_TRUE(at::equal(one, three));
}

TEST(Optimizer, RefusesAStateThatIsNotItsOwn) {
  auto list = make_parameters({at::ones({3}).to(at::kBFloat16)});
  Optimizer optimizer(list, {});
  auto missing = optimizer.state(), unknown = missing, reshaped = missing, retyped = missing, negative = missing;
  unknown.push_back({"optimizer.first_moment.other", at::zeros({3})});
  reshaped[0] = {missing[0].name, at::zeros({4})};
  missing.erase(missing.begin());
  retyped[2].value = at::zeros({3}, at::kDouble);
  negative.back().value = at::full({1}, -1, at::kLong);
  const TemporaryFolder folder;
  for (const auto& state : {missing, unknown, reshaped, retyped, negative})
    EXPECT_THROW(optimizer.load_state(save_and_open(folder, {state, {}}).store), DataError);
  auto with_model = optimizer.state();
  with_model.push_back({"model.p0", at::zeros({9})});
  EXPECT_NO_THROW(optimizer.load_state(save_and_open(folder, {with_model, {}}).store));
}

TEST(Optimizer, AsksBeforeItChangesATensor) {
  auto list = make_parameters({at::ones({3}).to(at::kBFloat16), at::ones({2})});
  Optimizer optimizer(list, {});
  for (size_t i = 0; i < 2; ++i) give_gradient(list, i, at::ones(value(list, i).sizes()));
  optimizer.accumulate(); optimizer.sum_over_ranks();
  std::map<const void*, at::Tensor> before;
  for (const auto& tensor : optimizer.state()) before[tensor.value.const_data_ptr()] = tensor.value.clone();
  std::vector<at::Tensor> asked;
  optimizer.before_change([&](const at::Tensor& tensor) {
    asked.push_back(tensor);
    const auto found = before.find(tensor.const_data_ptr());
    EXPECT_TRUE(found == before.end() || at::equal(found->second, tensor));
  });
  optimizer.step(1e-3, 1, 1);
  EXPECT_EQ(asked.size(), 4u + 3u);  // a bfloat16 parameter beside master and moments; a float32 one is its master
}

TEST(Optimizer, NamesTheFirstBadGradient) {
  auto list = make_parameters({at::ones({3}), at::ones({3})});
  Optimizer optimizer(list, {});
  give_gradient(list, 0, at::ones({3}));
  give_gradient(list, 1, at::full({3}, std::numeric_limits<float>::infinity()));
  optimizer.accumulate(); optimizer.sum_over_ranks();
  EXPECT_FALSE(std::isfinite(optimizer.gradient_norm(1)));
  EXPECT_EQ(optimizer.first_bad_gradient(), "p1");
}

TEST(Optimizer, RefusesParametersOfAnotherDtype) {
  const auto list = make_parameters({at::ones({3}, at::kDouble)});
  EXPECT_THROW(Optimizer(list, {}), ConfigError);
}

TEST(OptimizerConfig, ReportsEveryBrokenRule) {
  Problems problems;
  const OptimizerConfig broken{
      .adam_beta1 = 1, .adam_beta2 = -0.1, .adam_epsilon = 0, .weight_decay = -1, .max_grad_norm = -1};
  broken.check(problems);
  EXPECT_EQ(problems.list().size(), 5u);
  Problems none;
  OptimizerConfig{}.check(none);
  EXPECT_TRUE(none.list().empty());
}

}  // namespace
}  // namespace ingot::train
