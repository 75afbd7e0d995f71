#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/decoder.h"
#include "model/decoder_layer.h"

namespace ingot::model {
namespace {

DecoderConfig small_mixture() {
  DecoderConfig config;
  config.model_type = "mixtral", config.num_experts = 4, config.experts_per_token = 2;
  config.vocab_size = 61, config.hidden_size = 16, config.num_layers = 2, config.num_heads = 2;
  config.num_kv_heads = 1, config.head_dim = 8, config.intermediate_size = 24, config.initializer_range = 0.3;
  return config;
}

struct Layer {
  ParameterList parameters;
  std::unique_ptr<FeedForward> mixture;

  explicit Layer(const DecoderConfig& config) {
    const Family& family = *find_family("mixtral");
    const std::string prefix = "model.layers.0.block_sparse_moe.";
    for (auto spec : parameter_specs(config, family)) {
      if (!spec.name.starts_with(prefix)) continue;
      spec.name = spec.name.substr(prefix.size());
      add_parameter(parameters, spec, at::kFloat, "cpu");
    }
    mixture = make_mixture(ParameterScope(parameters), {config, family.names, parallel::only_rank(), parallel::only_rank(), parallel::only_rank()});
    initialize_parameters(parameters, 8);
  }
  at::Tensor weight(const std::string& name) const { return parameters.find(name + ".weight")->value; }
};

/// Every expert on every token, weighted by 0 where it was not chosen.
at::Tensor every_expert(const Layer& layer, const at::Tensor& h, int64_t choices) {
  const auto p = at::softmax(at::linear(h, layer.weight("gate")), -1);
  const auto [best, experts] = p.topk(choices);
  const auto weights = at::zeros_like(p).scatter(1, experts, best / best.sum(-1, true));
  auto sum = at::zeros_like(h);
  for (int64_t e = 0; e < p.size(1); ++e) {
    const auto name = "experts." + std::to_string(e) + ".";
    const auto inner = at::silu(at::linear(h, layer.weight(name + "w1"))) * at::linear(h, layer.weight(name + "w3"));
    sum = sum + at::linear(inner, layer.weight(name + "w2")) * weights.narrow(1, e, 1);
  }
  return sum;
}

std::vector<at::Tensor> gradients_of(Layer& layer, at::Tensor& h, const at::Tensor& out) {
  h.mutable_grad().reset();
  for (const auto& parameter : layer.parameters.parameters) parameter->value.mutable_grad().reset();
  (out * at::arange(out.numel()).view_as(out).cos()).sum().backward();
  std::vector<at::Tensor> found{h.grad()};
  for (const auto& parameter : layer.parameters.parameters) found.push_back(parameter->value.grad());
  return found;
}

TEST(Mixture, EqualsEveryExpertOnEveryToken) {
  for (const int64_t choices : {1, 2, 4}) {
    auto config = small_mixture();
    config.experts_per_token = choices;
    Layer layer(config);
    at::manual_seed(choices);
    auto h = at::randn({13, 16}).set_requires_grad(true);
    const auto found = layer.mixture->forward({h, {}}, {}).x, wanted = every_expert(layer, h, choices);
    EXPECT_LE((found - wanted).abs().max().item<float>(), 2e-6);
    const auto a = gradients_of(layer, h, found), b = gradients_of(layer, h, wanted);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_LE((a[i] - b[i]).abs().max().item<float>(), 1e-5) << i;
  }
}

TEST(Mixture, GivesExpertsWithoutTokensZeroGradients) {
  Layer layer(small_mixture());
  auto h = at::randn({1, 16}).set_requires_grad(true);
  const auto gradients = gradients_of(layer, h, layer.mixture->forward({h, {}}, {}).x);
  int without = 0;
  for (const auto& gradient : gradients) {
    ASSERT_TRUE(gradient.defined());
    without += gradient.count_nonzero().item<int64_t>() == 0;
  }
  EXPECT_EQ(without, 2 * 3);  // two of four experts, three matrices each
}

TEST(Mixture, NamesParametersInTheOrderOfTransformers) {
  const auto model = build_model(small_mixture(), at::kFloat, "meta");
  std::vector<std::string> names;
  for (const auto& parameter : model->parameters.parameters) names.push_back(parameter->name);
  ASSERT_EQ(names.size(), 1 + 2 * (4 + 1 + 4 * 3 + 2) + 2u);
  EXPECT_EQ(names[5], "model.layers.0.block_sparse_moe.gate.weight");
  EXPECT_EQ(names[6], "model.layers.0.block_sparse_moe.experts.0.w1.weight");
  EXPECT_EQ(names[7], "model.layers.0.block_sparse_moe.experts.0.w3.weight");
  EXPECT_EQ(names[8], "model.layers.0.block_sparse_moe.experts.0.w2.weight");
}

struct Rows {
  ModelInput input;
  at::Tensor labels;
};

Rows random_rows(int64_t rows, int64_t length) {
  at::manual_seed(5);
  const auto tokens = at::randint(0, 61, {rows, length});
  return {{tokens, at::arange(length).expand({rows, length}), {}}, tokens.roll({-1}, {1})};
}

TEST(Mixture, CountsEveryTokenUpToTheOneAfterTheLastLabel) {
  const auto model = build_model(small_mixture(), at::kFloat, "cpu");
  initialize_parameters(model->parameters, 2);
  auto [input, labels] = random_rows(3, 10);
  EXPECT_EQ(model->losses(input, labels).expert_tokens.sum().item<int64_t>(), 3 * 10 * 2 * 2);
  labels[0].slice(0, 6).fill_(-100);  // tokens 0 to 6 count
  labels[1].slice(0, 2, 5).fill_(-100);
  labels[2].fill_(-100);
  EXPECT_EQ(model->losses(input, labels).expert_tokens.sum().item<int64_t>(), (7 + 10) * 2 * 2);
}

TEST(Mixture, AddsItsBalanceToTheObjectiveWhereItCounts) {
  const auto model = build_model(small_mixture(), at::kFloat, "cpu");
  initialize_parameters(model->parameters, 2);
  const auto [input, labels] = random_rows(2, 10);
  const auto terms = model->losses(input, labels);
  EXPECT_TRUE(at::equal(model->objective(terms, 20), terms.cross_entropy));
  model->config.router_aux_loss_coef = 0.5;
  EXPECT_TRUE(at::allclose(model->objective(terms, 20), terms.cross_entropy + 10 * terms.expert_balance));
}

/// The balance's gradient passes through layers that are computed again.
TEST(Mixture, RecomputesTheBalanceToTheSameBits) {
  const auto model = build_model(small_mixture(), at::kFloat, "cpu");
  initialize_parameters(model->parameters, 2);
  model->config.router_aux_loss_coef = 3;
  const auto [input, labels] = random_rows(2, 10);
  const auto gradients = [&, &input = input, &labels = labels](Recompute recompute) {
    model->recompute = recompute;
    model->objective(model->losses(input, labels), 20).backward();
    std::vector<at::Tensor> found;
    for (const auto& parameter : model->parameters.parameters) {
      found.push_back(parameter->value.grad());
      parameter->value.mutable_grad().reset();
    }
    return found;
  };
  const auto kept = gradients(Recompute::kNone);
  for (const auto recompute : {Recompute::kSelective, Recompute::kFull}) {
    const auto again = gradients(recompute);
    for (size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(at::equal(kept[i], again[i])) << i;
  }
}

}  // namespace
}  // namespace ingot::model
