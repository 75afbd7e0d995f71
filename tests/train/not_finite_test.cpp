#include "train/not_finite.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "core/error.h"
#include "train/step.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// What train_step says of the model; empty when it finds nothing.
std::string message_of_step(model::CausalLm& model, const DataSource& source) {
  Optimizer optimizer(model.parameters, {});
  try {
    train_step(model, optimizer, source, {.step = 7, .samples = {4, 5, 6, 7}, .micro_batch = 2, .learning_rate = 1});
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

void poison(model::CausalLm& model, const std::string& parameter, float value) {
  const at::NoGradGuard no_grad;
  model.parameters.find(parameter)->value.view(-1)[0].fill_(value);
}

TEST(NotFinite, NamesStepSamplesAndTheFirstBadLayer) {
  const auto model = tiny_llama();
  poison(*model, "model.layers.1.mlp.up_proj.weight", kNan);
  EXPECT_EQ(message_of_step(*model, random_rows(64)),
            "step 7: samples 4, 5: the loss is nan; first output that is not finite: model.layers.1");
}

TEST(NotFinite, NamesTheOutputProjectionWhenAllLayersAreFinite) {
  const auto model = tiny_llama(at::kFloat, 3, /*tied=*/false);
  poison(*model, "lm_head.weight", kNan);
  const std::string message = message_of_step(*model, random_rows(64));
  EXPECT_NE(message.find("first output that is not finite: the output projection"), message.npos) << message;
}

TEST(NotFinite, FindsNothingInASoundModel) {
  const auto model = tiny_llama();
  const std::vector<uint64_t> samples = {0, 1};
  EXPECT_EQ(first_bad_layer(*model, random_rows(4).batch(samples)), std::nullopt);
  EXPECT_EQ(message_of_step(*model, random_rows(64)), "");
}

TEST(NotFinite, GivesTheObserverBack) {
  const auto model = tiny_llama();
  int calls = 0;
  model->observer = [&](const std::string&, const at::Tensor&) { ++calls; };
  const std::vector<uint64_t> samples = {0};
  const auto batch = random_rows(4).batch(samples);
  first_bad_layer(*model, batch);
  EXPECT_EQ(calls, 0);
  ASSERT_TRUE(model->observer);
  model->observer("", {});
  EXPECT_EQ(calls, 1);
}

/// A model with a finite output and an infinite gradient: the slope of sqrt at 0.
struct SteepLm : model::CausalLm {
  SteepLm() {
    config = tiny_config();
    table = model::add_parameter(parameters, {.name = "head", .shape = {64, 32}, .init_std = 0.1}, at::kFloat, "cpu");
    steep = model::add_parameter(parameters, {.name = "steep", .shape = {32}, .init = model::Init::kZeros, .decay = false}, at::kFloat, "cpu");
    model::initialize_parameters(parameters, 1);
  }
  model::HiddenStates run_stage(int64_t, const model::ModelInput& input, model::HiddenStates) const override {
    return {at::embedding(table, input.tokens) + at::sqrt(steep), {}};
  }
  model::Head head() const override { return {table}; }
  at::Tensor logits_cached(const at::Tensor&, model::KeyValueCache&) const override { return {}; }
  at::Tensor table, steep;
};

TEST(NotFinite, NamesTheFirstBadGradientWhenAllOutputsAreFinite) {
  SteepLm model;
  EXPECT_EQ(message_of_step(model, random_rows(64)),
            "step 7: samples 4, 5, 6, 7: the gradient norm is not finite; first gradient that is not finite: steep");
}

TEST(NotFinite, NamesAtMostSixteenSamples) {
  std::vector<uint64_t> samples(20);
  std::iota(samples.begin(), samples.end(), 0);
  const auto batch = random_rows(64).batch(samples);
  EXPECT_EQ(name_samples({&batch, 1}), "samples 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 4 more");
}

}  // namespace
}  // namespace ingot::train
