#include "model/decoder_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace ingot::model {
namespace {

Json tiny() {
  return {{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"},      {"vocab_size", 100},
          {"hidden_size", 32},                     {"num_hidden_layers", 2},     {"num_attention_heads", 4},
          {"intermediate_size", 64},               {"rms_norm_eps", 1e-5}};
}

Json with(const std::string& key, const Json& value) {
  auto config = tiny();
  config[key] = value;
  return config;
}

std::string problem_of(const Json& config) {
  try {
    DecoderConfig::from_json(config, "config.json");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

const Json kLlama3{{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0},
                   {"original_max_position_embeddings", 8192}};

TEST(DecoderConfig, FillsWhatTheFileLeavesOut) {
  const auto config = DecoderConfig::from_json(tiny(), "config.json");
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.rope_theta, 10000);
  EXPECT_EQ(config.dtype, DType::kF32);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_EQ(config.bos_token_id, 1) << "of transformers' LlamaConfig";
  EXPECT_FALSE(DecoderConfig::from_json(with("bos_token_id", nullptr), "c").bos_token_id.has_value());
}

TEST(DecoderConfig, ReadsBothSpellings) {
  auto old_one = with("rope_theta", 5e5), new_one = tiny();
  old_one["rope_scaling"] = kLlama3;
  old_one["torch_dtype"] = "bfloat16";
  new_one["rope_parameters"] = kLlama3;
  new_one["rope_parameters"]["rope_theta"] = 5e5;
  new_one["dtype"] = "bfloat16";
  const auto a = DecoderConfig::from_json(old_one, "old"), b = DecoderConfig::from_json(new_one, "new");
  EXPECT_EQ(a.rope_theta, 5e5);
  EXPECT_EQ(a.dtype, DType::kBF16);
  EXPECT_EQ(b.dtype, DType::kBF16);
  EXPECT_EQ(a.inverse_frequencies(), b.inverse_frequencies());
}

TEST(DecoderConfig, ReadsOneOrManyEndTokens) {
  EXPECT_EQ(DecoderConfig::from_json(with("eos_token_id", 2), "c").eos_token_ids, std::vector<int64_t>({2}));
  EXPECT_EQ(DecoderConfig::from_json(with("eos_token_id", {2, 5}), "c").eos_token_ids, std::vector<int64_t>({2, 5}));
  EXPECT_TRUE(DecoderConfig::from_json(with("eos_token_id", nullptr), "c").eos_token_ids.empty());
}

TEST(DecoderConfig, ReportsEveryProblemInOneLine) {
  auto config = tiny();
  config["hidden_size"] = "big";
  config["num_key_value_heads"] = 3;
  config["rms_norm_eps"] = -1;
  config["hidden_act"] = "gelu";
  const auto problem = problem_of(config);
  for (const auto* part : {"config.json: ", "hidden_size: found \"big\"",
                           "num_key_value_heads: found 3", "rms_norm_eps: found -1", "hidden_act: found gelu"})
    EXPECT_NE(problem.find(part), std::string::npos) << part << " in " << problem;
  EXPECT_EQ(problem.find('\n'), std::string::npos);
}

TEST(DecoderConfig, NamesTheSupportedArchitectures) {
  auto config = with("architectures", {"FalconForCausalLM"});
  config["model_type"] = "falcon";
  const auto problem = problem_of(config);
  EXPECT_NE(problem.find("found FalconForCausalLM, wanted one of LlamaForCausalLM"), std::string::npos) << problem;
}

TEST(DecoderConfig, WantsAModelTypeAsTransformersDoes) {
  auto config = tiny();
  config.erase("model_type");
  const auto problem = problem_of(config);
  EXPECT_NE(problem.find("model_type: found nothing, wanted llama, as LlamaForCausalLM says"), std::string::npos) << problem;
}

TEST(DecoderConfig, SaysOnceThatAScalingIsNone) {
  const auto problem = problem_of(with("rope_scaling", false));
  EXPECT_NE(problem.find("rope_scaling"), std::string::npos) << problem;
  EXPECT_EQ(problem.find("rope_scaling"), problem.rfind("rope_scaling")) << problem;
}

TEST(DecoderConfig, RefusesWhatWouldChangeResults) {
  const auto expect_problem = [](const Json& config, const std::string& part) {
    EXPECT_NE(problem_of(config).find(part), std::string::npos) << part;
  };
  expect_problem(with("rope_scaling", {{"rope_type", "longrope"}, {"factor", 4.0}}), "rope_type: found longrope");
  expect_problem(with("rope_scaling", {{"type", "yarn"}}), "rope_scaling.factor: absent");
  expect_problem(with("rope_scaling", {{"type", "linear"}}), "rope_scaling.factor: absent");
  expect_problem(with("quantization_config", Json::object()), "quantized");
  expect_problem(with("layer_types", {"sliding_attention"}), "layer_types");
  EXPECT_EQ(problem_of(with("partial_rotary_factor", 0.01)), "");  // a Llama does not know it
}

/// `tiny` as another family writes it.
Json as_family(const std::string& model_type, const std::string& architecture) {
  auto config = with("model_type", model_type);
  config["architectures"] = {architecture};
  config["num_key_value_heads"] = nullptr;  // as many as heads
  return config;
}

TEST(DecoderConfig, RefusesAShareOfAHeadThatIsNothing) {
  auto config = as_family("glm", "GlmForCausalLM");
  config["partial_rotary_factor"] = 0.001;
  EXPECT_NE(problem_of(config).find("partial_rotary_factor: found 0.001"), std::string::npos);
}

TEST(DecoderConfig, ReadsMistralsWindow) {
  auto config = as_family("mistral", "MistralForCausalLM");
  EXPECT_EQ(DecoderConfig::from_json(config, "c").window_of(0), 4096);  // transformers' default
  config["sliding_window"] = nullptr;
  EXPECT_EQ(DecoderConfig::from_json(config, "c").window_of(0), 0);
  config["sliding_window"] = 7;
  EXPECT_EQ(DecoderConfig::from_json(config, "c").window_of(1), 7);
  config["sliding_window"] = "wide";
  EXPECT_NE(problem_of(config).find("sliding_window: found \"wide\""), std::string::npos);
}

TEST(DecoderConfig, ReadsQwen2sWindowOnlyWhereItIsUsed) {
  auto config = as_family("qwen2", "Qwen2ForCausalLM");
  config["sliding_window"] = 7;
  config["max_window_layers"] = 1;
  EXPECT_TRUE(DecoderConfig::from_json(config, "c").qkv_bias);
  EXPECT_EQ(DecoderConfig::from_json(config, "c").window_of(1), 0);
  config["use_sliding_window"] = true;
  const auto windowed = DecoderConfig::from_json(config, "c");
  EXPECT_EQ(windowed.window_of(0), 0);
  EXPECT_EQ(windowed.window_of(1), 7);
  config["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(problem_of(config), "");
  config["layer_types"] = {"sliding_attention", "full_attention"};
  const auto first = DecoderConfig::from_json(config, "c");
  EXPECT_EQ(first.window_of(0), 7);
  EXPECT_EQ(first.window_of(1), 0);
  config["use_sliding_window"] = false;
  EXPECT_NE(problem_of(config).find("layer_types"), std::string::npos);
}

TEST(DecoderConfig, ReadsBothSpellingsOfQwen) {
  const Json present{{"architectures", {"QWenLMHeadModel"}}, {"model_type", "qwen"}, {"vocab_size", 100}, {"hidden_size", 32},
                     {"num_hidden_layers", 2}, {"num_attention_heads", 4}, {"kv_channels", 8},
                     {"intermediate_size", 128}, {"layer_norm_epsilon", 1e-6}, {"rotary_emb_base", 5000},
                     {"seq_length", 64}, {"use_dynamic_ntk", true}};
  const Json first{{"model_type", "qwen"}, {"padded_vocab_size", 100}, {"n_embd", 32}, {"n_layer", 2}, {"n_head", 4},
                   {"kv_channels", 8}, {"ffn_hidden_size", 128}, {"layer_norm_epsilon", 1e-6},
                   {"rotary_emb_base", 5000}, {"seq_length", 64}, {"use_logn_attn", true}};
  for (const auto& json : {present, first}) {
    const auto config = DecoderConfig::from_json(json, "c");
    EXPECT_EQ(config.model_type, "qwen");
    EXPECT_EQ(config.hidden_size, 32);
    EXPECT_EQ(config.num_layers, 2);
    EXPECT_EQ(config.num_kv_heads, 4);
    EXPECT_EQ(config.intermediate_size, 64);
    EXPECT_EQ(config.rope_theta, 5000);
    EXPECT_EQ(config.plain_length, 64);
    EXPECT_TRUE(config.qkv_bias);
    EXPECT_FALSE(config.attention_out_bias);
  }
}

TEST(DecoderConfig, FindsTheFamilyInAutoMap) {
  auto config = tiny();
  config.erase("architectures");
  config.erase("model_type");
  config["auto_map"] = {{"AutoModelForCausalLM", "modeling_baichuan.BaichuanForCausalLM"}};
  EXPECT_EQ(DecoderConfig::from_json(config, "c").model_type, "baichuan");
}

TEST(DecoderConfig, TellsTheBaichuanModelsApart) {
  auto json = as_family("baichuan", "BaichuanForCausalLM");
  const auto large = DecoderConfig::from_json(json, "c");
  EXPECT_TRUE(large.alibi && large.norm_head && large.rotary_dim() == 0);
  json["max_position_embeddings"] = 4096;
  EXPECT_FALSE(DecoderConfig::from_json(json, "c").alibi);
  json["vocab_size"] = 64000;
  EXPECT_FALSE(DecoderConfig::from_json(json, "c").norm_head);
}

TEST(DecoderConfig, ReadsTheWordsOfChatGlm) {
  Json json{{"architectures", {"ChatGLMModel"}}, {"model_type", "chatglm"}, {"padded_vocab_size", 100}, {"hidden_size", 64}, {"num_layers", 3},
            {"num_attention_heads", 4}, {"kv_channels", 16}, {"ffn_hidden_size", 80}, {"layernorm_epsilon", 1e-5},
            {"multi_query_attention", true}, {"multi_query_group_num", 2}, {"add_qkv_bias", true}, {"rope_ratio", 500}};
  const auto config = DecoderConfig::from_json(json, "c");
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.rotary_dim(), 8);
  EXPECT_EQ(config.rope_theta, 5e6);
  EXPECT_TRUE(config.rope_interleaved && config.qkv_bias && !config.attention_out_bias);
  json["multi_query_attention"] = false;
  EXPECT_EQ(DecoderConfig::from_json(json, "c").num_kv_heads, 4);
  json["rmsnorm"] = false;
  json["quantization_bit"] = 4;
  for (const auto* part : {"rmsnorm: found false", "quantization_bit: found 4"})
    EXPECT_NE(problem_of(json).find(part), std::string::npos) << part;
}

TEST(AlibiSlopes, OfFortyHeadsAreThoseOfBaichuan) {
  auto json = as_family("baichuan", "BaichuanForCausalLM");
  EXPECT_EQ(DecoderConfig::from_json(tiny(), "c").alibi_slopes().size(), 0u);
  EXPECT_EQ(DecoderConfig::from_json(json, "c").alibi_slopes(), std::vector<double>({0.25, 0.0625, 0.015625, 0.00390625}));
  json["num_attention_heads"] = 40;
  json["hidden_size"] = 320;
  const auto slopes = DecoderConfig::from_json(json, "c").alibi_slopes();
  ASSERT_EQ(slopes.size(), 40u);
  for (int h = 0; h < 32; ++h) EXPECT_DOUBLE_EQ(slopes[static_cast<size_t>(h)], std::exp2(-0.25 * (h + 1)));
  for (int t = 0; t < 8; ++t) EXPECT_DOUBLE_EQ(slopes[static_cast<size_t>(32 + t)], std::exp2(-0.125 * (2 * t + 1)));
}

TEST(DecoderConfig, SurvivesHostileValues) {
  const std::vector<Json> values{-1, 0, 1e300, 18446744073709551615u, "x", Json::array(), true, 1.5};
  for (const auto& value : values)
    for (const auto* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim"})
      EXPECT_NE(problem_of(with(key, value)).find(key), std::string::npos) << key << " " << value;
  EXPECT_THROW(DecoderConfig::from_json(Json::array(), "config.json"), DataError);
  EXPECT_THROW(DecoderConfig::from_json(Json::object(), "config.json"), ConfigError);
}

TEST(InverseFrequencies, FollowTheFormula) {
  const auto frequencies = DecoderConfig::from_json(tiny(), "c").inverse_frequencies();
  ASSERT_EQ(frequencies.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(frequencies[i], std::pow(10000.0, -0.25 * static_cast<double>(i)), 1e-15);
}

TEST(InverseFrequencies, ScaleLinearly) {
  const auto plain = DecoderConfig::from_json(tiny(), "c").inverse_frequencies();
  const auto config = with("rope_scaling", {{"type", "linear"}, {"factor", 4.0}});
  const auto scaled = DecoderConfig::from_json(config, "c").inverse_frequencies();
  for (size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(scaled[i], plain[i] / 4);
}

TEST(InverseFrequencies, ScaleLongWavesOnlyForLlama3) {
  auto json = with("rope_scaling", kLlama3);
  json["rope_theta"] = 5e5;
  json["head_dim"] = 128;
  const auto scaled = DecoderConfig::from_json(json, "c").inverse_frequencies();
  for (size_t i = 0; i < scaled.size(); ++i) {
    const double plain = std::pow(5e5, -2.0 * static_cast<double>(i) / 128), wavelength = 2 * M_PI / plain;
    if (wavelength < 2048) { EXPECT_DOUBLE_EQ(scaled[i], plain); }
    if (wavelength > 8192) { EXPECT_DOUBLE_EQ(scaled[i], plain / 8); }
    if (i > 0) { EXPECT_LT(scaled[i], scaled[i - 1]); }
  }
}

}  // namespace
}  // namespace ingot::model
