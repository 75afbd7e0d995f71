#include "model/decoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "model/family.h"

namespace ingot::model {
namespace {

DecoderConfig small_config(std::string_view family = "llama") {
  DecoderConfig config;
  config.model_type = family;
  if (family == "mixtral") config.num_experts = 5, config.experts_per_token = 2;
  config.vocab_size = 97, config.hidden_size = 32, config.num_layers = 3, config.num_heads = 4;
  config.num_kv_heads = 2, config.head_dim = 8, config.intermediate_size = 48, config.initializer_range = 0.1;
  return config;
}

std::unique_ptr<CausalLm> small_model(at::ScalarType dtype = at::kFloat, const DecoderConfig& config = small_config()) {
  auto model = build_model(config, dtype, "cpu");
  initialize_parameters(model->parameters, 3);
  return model;
}

ModelInput random_input(int64_t rows, int64_t length) {
  at::manual_seed(11);
  const auto tokens = at::randint(0, 97, {rows, length});
  return {.tokens = tokens, .positions = at::arange(length).expand({rows, length}), .segment_starts = {}};
}

/// Loss and the gradients of all parameters after one backward pass.
std::pair<float, std::vector<at::Tensor>> pass_of(CausalLm& model, const ModelInput& input) {
  const auto loss = model.loss_sum(input, input.tokens.roll({-1}, {1}));
  loss.backward();
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : model.parameters.parameters) {
    gradients.push_back(parameter->value.grad());
    parameter->value.mutable_grad().reset();
  }
  return {loss.item<float>(), gradients};
}

TEST(Decoder, NamesParametersInTheOrderOfTransformers) {
  const auto model = build_model(small_config(), at::kFloat, "meta");
  const auto& parameters = model->parameters.parameters;
  ASSERT_EQ(parameters.size(), 1 + 3 * 9 + 2u);
  EXPECT_EQ(parameters[0]->name, "model.embed_tokens.weight");
  EXPECT_EQ(parameters[1]->name, "model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(parameters[7]->name, "model.layers.0.mlp.down_proj.weight");
  EXPECT_EQ(parameters[8]->name, "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(parameters[28]->name, "model.norm.weight");
  EXPECT_EQ(parameters[29]->name, "lm_head.weight");
}

TEST(Decoder, SharesTheEmbeddingWhenTied) {
  auto config = small_config();
  config.tie_word_embeddings = true;
  const auto model = build_model(config, at::kFloat, "meta");
  EXPECT_EQ(model->parameters.find("lm_head.weight"), nullptr);
  EXPECT_TRUE(model->head().matrix.is_same(model->parameters.find("model.embed_tokens.weight")->value));
}

TEST(Decoder, RecomputesToTheSameBits) {
  const auto input = random_input(2, 19);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto model = small_model(dtype);
    const auto kept = pass_of(*model, input);
    for (const auto recompute : {Recompute::kSelective, Recompute::kFull}) {
      model->recompute = recompute;
      const auto again = pass_of(*model, input);
      EXPECT_EQ(kept.first, again.first);
      for (size_t i = 0; i < kept.second.size(); ++i)
        EXPECT_TRUE(at::equal(kept.second[i], again.second[i])) << model->parameters.parameters[i]->name;
    }
  }
}

TEST(Decoder, TrainsSomeParametersWithTheRestFrozen) {
  const auto input = random_input(1, 9);
  for (const auto recompute : {Recompute::kNone, Recompute::kSelective, Recompute::kFull}) {
    const auto model = small_model();
    model->recompute = recompute;
    for (const auto& parameter : model->parameters.parameters)
      parameter->value.set_requires_grad(parameter->name == "model.layers.1.mlp.up_proj.weight");
    const auto gradients = pass_of(*model, input).second;
    for (size_t i = 0; i < gradients.size(); ++i)
      EXPECT_EQ(gradients[i].defined(), model->parameters.parameters[i]->value.requires_grad());
  }
}

TEST(Decoder, GivesTheSameBitsOnAnyThreads) {
  const auto input = random_input(2, 40);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto model = small_model();
  const auto one = pass_of(*model, input);
  at::set_num_threads(2);
  const auto two = pass_of(*model, input);
  at::set_num_threads(threads);
  EXPECT_EQ(one.first, two.first);
  for (size_t i = 0; i < one.second.size(); ++i) EXPECT_TRUE(at::equal(one.second[i], two.second[i]));
}

TEST(Decoder, ContinuesFromTheCache) {
  const auto model = small_model();
  const auto input = random_input(2, 90);
  const at::NoGradGuard no_grad;
  const auto whole = model->logits(input);
  KeyValueCache cache;
  std::vector<at::Tensor> parts;
  for (const auto& part : input.tokens.split_with_sizes({70, 1, 1, 18}, 1))
    parts.push_back(model->logits_cached(part, cache));
  EXPECT_EQ(cache.length, 90);
  EXPECT_LE((at::cat(parts, 1) - whole).abs().max().item<float>(), 1e-5);
}

TEST(Decoder, ShowsTheObserverEveryLayer) {
  const auto model = small_model();
  std::vector<std::string> names;
  model->observer = [&](const std::string& name, const at::Tensor& output) {
    names.push_back(name);
    EXPECT_EQ(output.sizes(), at::IntArrayRef({5, 32}));
  };
  model->recompute = Recompute::kFull;
  pass_of(*model, random_input(1, 5));
  EXPECT_EQ(names, std::vector<std::string>({"model.embed_tokens", "model.layers.0", "model.layers.1",
                                             "model.layers.2", "model.norm"}));
}

TEST(BuildModel, BuildsEveryFamilyThatConfigsMayName) {
  for (const auto& family : families()) {
    EXPECT_GT(build_model(small_config(family.model_type), at::kFloat, "meta")->parameters.num_elements(), 0) << family.model_type;
  }
}

/// A small model with every switch of the block on.
DecoderConfig switched_config(const char* family) {
  auto config = small_config(family);
  config.qkv_bias = config.attention_out_bias = config.mlp_bias = true;
  config.partial_rotary_factor = 0.5, config.rope_interleaved = true;
  config.sliding_window = 12, config.norm_head = true;
  return config;
}

TEST(Decoder, ContinuesFromTheCacheWithEverySwitch) {
  for (const auto& family : families()) {
    auto config = switched_config(family.model_type.data());
    for (const bool alibi : {false, true}) {
      config.alibi = alibi;
      const auto model = small_model(at::kFloat, config);
      const auto input = random_input(2, 30);
      const at::NoGradGuard no_grad;
      KeyValueCache cache;
      std::vector<at::Tensor> parts;
      for (const auto& part : input.tokens.split_with_sizes({21, 1, 8}, 1))
        parts.push_back(model->logits_cached(part, cache));
      EXPECT_LE((at::cat(parts, 1) - model->logits(input)).abs().max().item<float>(), 1e-5) << family.model_type;
    }
  }
}

TEST(Decoder, RecomputesToTheSameBitsInEveryFamily) {
  const auto input = random_input(2, 19);
  for (const auto& family : families())
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const auto model = small_model(dtype, switched_config(family.model_type.data()));
      const auto kept = pass_of(*model, input);
      for (const auto recompute : {Recompute::kSelective, Recompute::kFull}) {
        model->recompute = recompute;
        const auto again = pass_of(*model, input);
        EXPECT_EQ(kept.first, again.first);
        for (size_t i = 0; i < kept.second.size(); ++i)
          EXPECT_TRUE(at::equal(kept.second[i], again.second[i])) << model->parameters.parameters[i]->name;
      }
    }
}

/// One row of two segments against the segments alone, in loss and gradients.
TEST(Decoder, PacksSegmentsInEveryFamily) {
  for (const auto& family : families())
    for (const bool alibi : {false, true}) {
      auto config = switched_config(family.model_type.data());
      config.alibi = alibi;
      const auto model = small_model(at::kFloat, config);
      auto packed = random_input(1, 40);
      packed.positions = at::cat({at::arange(17), at::arange(23)}).unsqueeze(0);
      packed.segment_starts = {0, 17, 40};
      const auto labels = packed.tokens.flip({1});
      const auto part = [&](int64_t begin, int64_t count) {
        const auto cut = [&](const at::Tensor& x) { return x.narrow(1, begin, count); };
        return model->loss_sum({cut(packed.tokens), cut(packed.positions), {}}, cut(labels));
      };
      const auto apart = part(0, 17) + part(17, 23), together = model->loss_sum(packed, labels);
      EXPECT_NEAR((together / apart).item<double>(), 1, 1e-6) << family.model_type;
      apart.backward();
      together.neg().backward();  // the gradients cancel
      for (const auto& parameter : model->parameters.parameters)
        EXPECT_LE(parameter->value.grad().abs().max().item<float>(), 2e-4) << parameter->name;
    }
}

TEST(BuildModel, RefusesOtherFamilies) {
  auto config = small_config();
  config.model_type = "falcon";
  EXPECT_THROW(build_model(config, at::kFloat, "meta"), ConfigError);
}

}  // namespace
}  // namespace ingot::model
