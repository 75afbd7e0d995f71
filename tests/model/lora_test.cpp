#include "model/lora.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/causal_lm.h"

namespace ingot::model {
namespace {

DecoderConfig adapted_config() {
  DecoderConfig config;
  config.vocab_size = 97, config.hidden_size = 32, config.num_layers = 2, config.num_heads = 4;
  config.num_kv_heads = 2, config.head_dim = 8, config.intermediate_size = 48, config.initializer_range = 0.1;
  return config;
}

ModelInput random_rows() {
  at::manual_seed(11);
  const auto tokens = at::randint(0, 97, {2, 12});
  return {.tokens = tokens, .positions = at::arange(12).expand({2, 12}), .segment_starts = {}};
}

/// Every linear layer, or one, with rank 4.
LoraPlan plan_of(const CausalLm& model, double dropout = 0, const std::string& only = "") {
  LoraPlan plan{.dropout = dropout};
  for (const auto& layer : model.parameters.linear_layers)
    if (only.empty() || layer->module == only) plan.layers.push_back({layer->module, 4, 2.0});
  return plan;
}

/// A filled model with an adapter whose B is not zero.
std::unique_ptr<CausalLm> adapted_model(double dropout = 0, const std::string& only = "") {
  auto model = build_model(adapted_config(), at::kFloat, "cpu");
  add_lora(model->parameters, plan_of(*model, dropout, only));
  initialize_parameters(model->parameters, 3);
  const at::NoGradGuard no_grad;
  for (const auto& parameter : model->parameters.parameters)
    if (parameter->name.ends_with("lora_B.weight") || parameter->name.ends_with("lora_embedding_A")) parameter->value.normal_(0, 0.3);
  return model;
}

TEST(Lora, NamesEveryLinearLayerAsHuggingFaceDoes) {
  const auto model = build_model(adapted_config(), at::kFloat, "meta");
  const auto& layers = model->parameters.linear_layers;
  ASSERT_EQ(layers.size(), 16u);
  EXPECT_EQ(layers[0]->module, "model.embed_tokens");
  EXPECT_EQ(layers[1]->module, "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(layers[14]->module, "model.layers.1.mlp.down_proj");
  EXPECT_EQ(layers[15]->module, "lm_head");
  EXPECT_EQ(layers[2]->out, 16);
}

TEST(Lora, HasNoAdapterForOneOfTwoTiedEndsNorForANormalisedHead) {
  auto config = adapted_config();
  config.tie_word_embeddings = true;
  EXPECT_EQ(build_model(config, at::kFloat, "meta")->parameters.linear_layers.size(), 14u);
  config.tie_word_embeddings = false, config.norm_head = true;
  EXPECT_EQ(build_model(config, at::kFloat, "meta")->parameters.linear_layers.size(), 15u);
}

TEST(Lora, FreezesAllButTheAdapterAndTheWholeParameters) {
  const auto model = build_model(adapted_config(), at::kFloat, "meta");
  auto plan = plan_of(*model, 0, "model.layers.1.mlp.up_proj");
  plan.whole_parameters = {"model.norm.weight"};
  add_lora(model->parameters, plan);
  std::vector<std::string> trained;
  for (const auto& parameter : model->parameters.parameters)
    if (parameter->trainable) trained.push_back(parameter->name);
  EXPECT_EQ(trained, (std::vector<std::string>{"model.norm.weight", "model.layers.1.mlp.up_proj.lora_A.weight",
                                               "model.layers.1.mlp.up_proj.lora_B.weight"}));
  EXPECT_EQ(model->parameters.num_trainable(), 32 + 4 * 32 + 48 * 4);
}

TEST(Lora, StartsAsTheModelItself) {
  const auto plain = build_model(adapted_config(), at::kFloat, "cpu"), adapted = build_model(adapted_config(), at::kFloat, "cpu");
  add_lora(adapted->parameters, plan_of(*adapted));
  initialize_parameters(plain->parameters, 3);
  initialize_parameters(adapted->parameters, 3);
  EXPECT_TRUE(at::equal(plain->logits(random_rows()), adapted->logits(random_rows())));
}

TEST(Lora, DrawsAUniformlyWithinOneOverTheRootOfItsInputs) {
  ParameterList list;
  const auto a = add_parameter(list, {.name = "lora_A.weight", .shape = {64, 400}, .init = Init::kUniform, .init_std = 1 / std::sqrt(400.0)}, at::kFloat, "cpu");
  initialize_parameters(list, 5);
  EXPECT_LE(a.abs().max().item<double>(), 0.05);
  EXPECT_NEAR(a.mean().item<double>(), 0, 1e-3);
  EXPECT_NEAR(a.std().item<double>(), 0.05 / std::sqrt(3.0), 5e-4);
}

TEST(Lora, AddsWhatItsMergedWeightAdds) {
  const auto model = adapted_model();
  const auto wanted = model->logits(random_rows());
  const at::NoGradGuard no_grad;
  for (const auto& layer : model->parameters.linear_layers) {
    const auto added = at::mm(layer->adapter.b, layer->adapter.a) * 2.0;  // [out, in]; a table of embeddings is [in, out]
    model->parameters.find(layer->module + ".weight")->value.add_(layer->kind == LayerKind::kEmbedding ? added.t() : added);
    layer->adapter = ops::LowRank();
  }
  const double error = (model->logits(random_rows()) - wanted).abs().max().item<double>();
  EXPECT_LT(error / wanted.abs().max().item<double>(), 2e-5);
}

TEST(Lora, GivesTheSameGradientsHoweverLayersAreRecomputed) {
  const auto model = adapted_model(0.3);
  auto input = random_rows();
  input.dropout_keys = at::arange(24, at::kLong).view({2, 12});
  std::vector<std::vector<at::Tensor>> gradients;
  for (const auto kind : {Recompute::kNone, Recompute::kSelective, Recompute::kFull}) {
    model->recompute = kind;
    model->loss_sum(input, input.tokens.roll({-1}, {1})).backward();
    auto& found = gradients.emplace_back();
    for (const auto& parameter : model->parameters.parameters) {
      EXPECT_EQ(parameter->value.grad().defined(), parameter->trainable) << parameter->name;
      if (parameter->trainable) found.push_back(parameter->value.grad().clone());
      parameter->value.mutable_grad().reset();
    }
  }
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    EXPECT_TRUE(at::equal(gradients[0][i], gradients[1][i]));
    EXPECT_TRUE(at::equal(gradients[0][i], gradients[2][i]));
  }
}

TEST(Lora, DropsInEveryKindOfLayerWhenKeysAreGivenAndNeverWithout) {
  auto input = random_rows();
  for (const char* module : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                             "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
    const std::string path = std::string("model.layers.0.") + module;
    const auto model = adapted_model(0.5, path), without = adapted_model(0, path);
    ASSERT_TRUE(has_dropout(model->parameters));
    ASSERT_FALSE(has_dropout(without->parameters));
    for (const auto& layer : without->parameters.linear_layers)
      if (layer->adapter.defined()) {
        const at::NoGradGuard no_grad;
        layer->adapter.b.copy_(model->parameters.find(factor_names(path, layer->kind).b)->value);
      }
    input.dropout_keys = at::arange(24, at::kLong).view({2, 12});
    EXPECT_FALSE(at::equal(model->logits(input), without->logits(input))) << module;
    input.dropout_keys.reset();
    EXPECT_TRUE(at::equal(model->logits(input), without->logits(input))) << module;
  }
}

TEST(Lora, DropsBeforeTheHeadInTheLossAndNeverInTheEmbedding) {
  auto input = random_rows();
  const auto labels = input.tokens.roll({-1}, {1});
  const auto model = adapted_model(0.5, "lm_head"), embedding = adapted_model(0.5, "model.embed_tokens");
  const auto loss = [&](const CausalLm& of) { return of.loss_sum(input, labels).item<double>(); };
  const double plain = loss(*model), plain_embedding = loss(*embedding);
  input.dropout_keys = at::arange(24, at::kLong).view({2, 12});
  EXPECT_GT(std::abs(loss(*model) - plain), 1e-3);
  EXPECT_EQ(loss(*embedding), plain_embedding);
  EXPECT_FALSE(has_dropout(embedding->parameters));
}

TEST(Lora, TheFusedLossOfAnAdaptedHeadIsThatOfItsLogits) {
  const auto model = adapted_model();
  const auto input = random_rows();
  const auto labels = input.tokens.roll({-1}, {1});
  const double wanted = at::nll_loss(at::log_softmax(model->logits(input).flatten(0, 1).to(at::kDouble), 1), labels.flatten(), {},
                                     at::Reduction::Sum, -100).item<double>();
  EXPECT_NEAR(model->loss_sum(input, labels).item<double>() / wanted, 1, 1e-5);
}

}  // namespace
}  // namespace ingot::model
