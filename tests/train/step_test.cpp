#include "train/step.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "train/flops.h"
#include "train/model_input.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

constexpr int64_t kStepBatch = 8, kNumSteps = 5;

int64_t by_fours(uint64_t row) { return row % 4 == 0 ? 16 : static_cast<int64_t>(row % 3); }

StepPlan plan_of(int64_t step, int64_t micro_batch) {
  StepPlan plan{.step = step, .samples = std::vector<uint64_t>(kStepBatch)};
  plan.micro_batch = micro_batch, plan.learning_rate = 1e-3;
  std::iota(plan.samples.begin(), plan.samples.end(), static_cast<uint64_t>((step - 1) * kStepBatch));
  return plan;
}

std::vector<double> losses(int64_t micro_batch, const LabelCount& label_count) {
  const auto model = tiny_llama();
  const auto source = random_rows(64, label_count);
  Optimizer optimizer(model->parameters, {.weight_decay = 0.01});
  std::vector<double> found;
  for (int64_t step = 1; step <= kNumSteps; ++step)
    found.push_back(train_step(*model, optimizer, source, plan_of(step, micro_batch)).value().loss);
  return found;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6) << "step " << i + 1;
}

TEST(Step, GivesTheSameLossesForEveryMicroBatch) {
  const auto whole = losses(8, {});
  expect_near(losses(1, {}), whole);
  expect_near(losses(2, {}), whole);
  EXPECT_LT(whole.back(), whole.front());
}

TEST(Step, GivesTheSameLossesForEveryMicroBatchWithUnevenLabels) {
  const auto whole = losses(8, by_fours);
  expect_near(losses(1, by_fours), whole);
  expect_near(losses(2, by_fours), whole);
}

TEST(Step, DiffersFromTheMeanOfMicroBatchMeansWithUnevenLabels) {
  const auto model = tiny_llama();
  const auto source = random_rows(64, by_fours);
  double mean_of_means = 0, parts = 0;
  for (uint64_t row = 0; row < kStepBatch; ++row) {
    const auto batch = source.batch({&row, 1});
    if (batch.num_labels() == 0) continue;
    const auto input = to_model_input(batch, *model);
    const double sum = model->loss_sum(input.input, input.labels).item<double>();
    mean_of_means += sum / static_cast<double>(batch.num_labels());
    ++parts;
  }
  EXPECT_GT(std::abs(mean_of_means / parts - losses(1, by_fours)[0]), 1e-3);
}

/// Mean loss of the global batch of step 1 in one piece.
at::Tensor mean_loss(const model::CausalLm& model, const DataSource& source) {
  const auto batch = source.batch(plan_of(1, 1).samples);
  const auto input = to_model_input(batch, model);
  return model.loss_sum(input.input, input.labels) / batch.num_labels();
}

TEST(Step, ReportsTheGradientNormOfTheMeanLoss) {
  const auto model = tiny_llama(), same = tiny_llama();
  const auto source = random_rows(64, by_fours);
  Optimizer optimizer(model->parameters, {}), other(same->parameters, {});
  const StepResult result = train_step(*model, optimizer, source, plan_of(1, 2)).value();
  mean_loss(*same, source).backward();
  double squares = 0;
  for (const auto& parameter : same->parameters.parameters)
    squares += parameter->value.grad().to(at::kDouble).square().sum().item<double>();
  EXPECT_NEAR(result.grad_norm, std::sqrt(squares), 1e-5 * std::sqrt(squares));
  EXPECT_EQ(result.labels, static_cast<uint64_t>(source.batch(plan_of(1, 1).samples).num_labels()));
}

TEST(Step, CountsTokensAndFlopsOfAllMicroBatches) {
  const auto model = tiny_llama();
  const auto source = random_rows(64);
  Optimizer optimizer(model->parameters, {});
  const StepResult result = train_step(*model, optimizer, source, plan_of(1, 2)).value();
  EXPECT_EQ(result.tokens, 8u * 16);
  EXPECT_DOUBLE_EQ(result.flops, model_flops(*model, source.batch(plan_of(1, 1).samples)));
}

std::unique_ptr<model::CausalLm> tiny_mixture(double coefficient) {
  auto config = tiny_config();
  config.model_type = "mixtral", config.num_experts = 4, config.experts_per_token = 2;
  config.router_aux_loss_coef = coefficient;
  auto model = model::build_model(config, at::kFloat, "cpu");
  model::initialize_parameters(model->parameters, 3);
  return model;
}

TEST(Step, ReportsTheBalanceOfExpertsAsAMeanWeightedByLabels) {
  const auto model = tiny_mixture(0);
  const auto source = random_rows(64, by_fours);
  double balance = 0;
  int64_t tokens = 0, labels = 0;
  for (uint64_t row = 0; row < kStepBatch; ++row) {
    const auto batch = source.batch({&row, 1});
    const auto input = to_model_input(batch, *model);
    const auto terms = model->losses(input.input, input.labels);
    balance += terms.expert_balance.item<double>() * static_cast<double>(batch.num_labels());
    tokens += terms.expert_tokens.sum().item<int64_t>();
    labels += batch.num_labels();
  }
  Optimizer optimizer(model->parameters, {});
  const StepResult result = train_step(*model, optimizer, source, plan_of(1, 1)).value();
  EXPECT_NEAR(result.aux_loss.value(), balance / static_cast<double>(labels), 1e-6);
  EXPECT_EQ(std::accumulate(result.expert_tokens.begin(), result.expert_tokens.end(), int64_t{0}), tokens);
  EXPECT_FALSE(train_step(*tiny_llama(), optimizer, source, plan_of(1, 1)).value().aux_loss.has_value());
}

TEST(Step, BalancesExpertsWhereTheCoefficientIsSet) {
  const auto source = random_rows(64);
  const auto last_balance = [&](double coefficient) {
    const auto model = tiny_mixture(coefficient);
    Optimizer optimizer(model->parameters, {});
    StepResult result;
    for (int64_t step = 1; step <= 20; ++step) result = train_step(*model, optimizer, source, plan_of(step, 8)).value();
    return result.aux_loss.value();
  };
  EXPECT_LT(last_balance(1), last_balance(0) - 0.01);
}

TEST(Step, RefusesAGlobalBatchWithoutLabelsAndNamesItsSamples) {
  const auto model = tiny_llama();
  Optimizer optimizer(model->parameters, {});
  const auto before = copy_weights(*model);
  try {
    train_step(*model, optimizer, random_rows(64, [](uint64_t) { return 0; }), plan_of(3, 2));
    FAIL() << "nothing was thrown";
  } catch (const DataError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("step 3: samples 16, 17, 18, 19, 20, 21, 22, 23: "), message.npos) << message;
  }
  EXPECT_TRUE(same_bits(copy_weights(*model), before));
}

TEST(Step, FollowsAnotherDtypeClosely) {
  const auto exact = tiny_llama(), rounded = tiny_llama(at::kBFloat16);
  const auto source = random_rows(64);
  Optimizer a(exact->parameters, {}), b(rounded->parameters, {});
  for (int64_t step = 1; step <= kNumSteps; ++step) {
    const double loss = train_step(*exact, a, source, plan_of(step, 4)).value().loss;
    EXPECT_NEAR(train_step(*rounded, b, source, plan_of(step, 4)).value().loss, loss, 0.02) << "step " << step;
  }
}

}  // namespace
}  // namespace ingot::train
