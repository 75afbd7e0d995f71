#include "model/parameter_specs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/causal_lm.h"

namespace ingot::model {
namespace {

DecoderConfig config_of(const std::string& model_type) {
  DecoderConfig config;
  config.model_type = model_type, config.vocab_size = 96, config.hidden_size = 32, config.num_layers = 2, config.num_heads = 8, config.num_kv_heads = 2;
  config.head_dim = 4, config.intermediate_size = 48, config.qkv_bias = model_type == "qwen2";
  if (model_type == "mixtral") config.num_experts = 4, config.experts_per_token = 2;
  if (model_type == "baichuan") config.num_kv_heads = config.num_heads;
  return config;
}

ParameterSpec spec(const std::string& model_type, const std::string& name) {
  const auto specs = parameter_specs(config_of(model_type), *find_family(model_type));
  const auto found = std::find_if(specs.begin(), specs.end(), [&](const auto& one) { return one.name == name; });
  if (found == specs.end()) throw std::runtime_error(model_type + " has no " + name);
  return *found;
}

TEST(ParameterSpecs, AttentionIsSplitByHeadsTheMlpByColumnsAndRowsTheEndsByVocabulary) {
  EXPECT_EQ(spec("llama", "model.embed_tokens.weight").split, (parallel::Split{0, {{96, 96}}}));
  EXPECT_EQ(spec("llama", "model.layers.0.self_attn.q_proj.weight").split, (parallel::Split{0, {{32, 8}}}));
  EXPECT_EQ(spec("llama", "model.layers.0.self_attn.k_proj.weight").split, (parallel::Split{0, {{8, 2}}}));
  EXPECT_EQ(spec("llama", "model.layers.1.self_attn.o_proj.weight").split, (parallel::Split{1, {{32, 8}}}));
  EXPECT_EQ(spec("llama", "model.layers.1.mlp.up_proj.weight").split, (parallel::Split{0, {{48, 48}}}));
  EXPECT_EQ(spec("llama", "model.layers.1.mlp.down_proj.weight").split, (parallel::Split{1, {{48, 48}}}));
  EXPECT_TRUE(spec("llama", "model.norm.weight").split.is_whole());
  EXPECT_EQ(spec("qwen2", "model.layers.0.self_attn.v_proj.bias").split, (parallel::Split{0, {{8, 2}}}));
}

TEST(ParameterSpecs, AJointMatrixHasABlockForEachMap) {
  EXPECT_EQ(spec("chatglm", "transformer.encoder.layers.0.self_attention.query_key_value.weight").split, (parallel::Split{0, {{32, 8}, {8, 2}, {8, 2}}}));
  EXPECT_EQ(spec("chatglm", "transformer.encoder.layers.0.mlp.dense_h_to_4h.weight").split, (parallel::Split{0, {{48, 48}, {48, 48}}}));
  EXPECT_EQ(spec("baichuan", "model.layers.0.self_attn.W_pack.weight").split, (parallel::Split{0, {{32, 8}, {32, 8}, {32, 8}}}));
}

TEST(ParameterSpecs, LayersAndExpertsAreNumbered) {
  EXPECT_EQ(spec("mixtral", "model.layers.1.block_sparse_moe.experts.3.w1.weight").expert, 3);
  EXPECT_EQ(spec("mixtral", "model.layers.1.block_sparse_moe.experts.3.w1.weight").layer, 1);
  EXPECT_EQ(spec("mixtral", "model.layers.1.block_sparse_moe.gate.weight").expert, -1);
  EXPECT_TRUE(spec("mixtral", "model.layers.1.block_sparse_moe.gate.weight").split.is_whole());
  EXPECT_EQ(spec("llama", "lm_head.weight").layer, -1);
}

TEST(ParameterSpecs, ABuiltModelHasThemInTheirOrderAndTakesAllOfThem) {
  for (const auto& family : families()) {
    const auto config = config_of(std::string(family.model_type));
    const auto specs = parameter_specs(config, family);
    const auto model = build_model(config, at::kFloat, "meta");
    ASSERT_EQ(model->parameters.parameters.size(), specs.size()) << family.model_type;
    for (size_t i = 0; i < specs.size(); ++i) {
      EXPECT_EQ(model->parameters.parameters[i]->name, specs[i].name);
      EXPECT_EQ(model->parameters.parameters[i]->value.sizes().vec(), specs[i].shape);
      EXPECT_TRUE(parallel::can_split(specs[i].split, 4)) << specs[i].name;
    }
  }
}

}  // namespace
}  // namespace ingot::model
