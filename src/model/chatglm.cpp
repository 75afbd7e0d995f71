// ChatGLM2, ChatGLM3 and GLM-4 as THUDM published them: fused queries, keys and values with few key/value groups, fused
// gate and up, rope on neighbours in the first half of a head. Source: MODELS §2 E.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

/// Those of configuration_chatglm.py, the file of ChatGLM2, ChatGLM3 and GLM-4.
void chatglm_defaults(DecoderConfig& config) {
  config.vocab_size = 65024, config.hidden_size = 4096, config.num_layers = 28, config.num_heads = 32, config.head_dim = 128;
  config.intermediate_size = 13696, config.max_position_embeddings = 2048, config.rms_norm_eps = 1e-5;
}

/// A switch that has one sound value here; absent, it has that value.
void expect_switch(ConfigReader& reader, const char* key, bool wanted) {
  bool value = wanted;
  reader.read(key, value);
  reader.problems().expect(value == wanted, key, value, wanted ? "true" : "false");
}

void read_chatglm(ConfigReader& reader, DecoderConfig& config) {
  bool qkv_bias = false, linear_bias = false;
  reader.read("add_qkv_bias", qkv_bias);
  reader.read("add_bias_linear", linear_bias);
  config.qkv_bias = qkv_bias || linear_bias;
  config.attention_out_bias = config.mlp_bias = linear_bias;
  double ratio = 1;
  reader.read("rope_ratio", ratio);
  config.rope_theta = 10000 * ratio;
  config.partial_rotary_factor = 0.5;
  config.rope_interleaved = true;
  for (const char* key : {"rmsnorm", "post_layer_norm", "original_rope"}) expect_switch(reader, key, true);
  expect_switch(reader, "apply_residual_connection_post_layernorm", false);
  int64_t bits = 0;
  reader.read("quantization_bit", bits, 0, 64);
  reader.problems().expect(bits == 0, "quantization_bit", bits, "0: quantized weights are not supported");
}

/// Without multi_query_attention every head has keys and values of its own, whatever multi_query_group_num says.
void read_groups(ConfigReader& reader, DecoderConfig& config) {
  bool grouped = false;
  reader.read("multi_query_attention", grouped);
  if (!grouped) return;
  config.num_kv_heads = 1;
  reader.read("multi_query_group_num", config.num_kv_heads, 1, config.num_heads);
}

}  // namespace

Family chatglm_family() {
  return {.model_type = "chatglm",
          .architectures = {"ChatGLMModel", "ChatGLMForConditionalGeneration"},
          .read = read_chatglm,
          .read_kv_heads = read_groups,
          .defaults = chatglm_defaults,
          .keys = {.vocab = {"padded_vocab_size", "vocab_size"},
                   .layers = {"num_layers"},
                   .kv_heads = {},
                   .head_dim = {"kv_channels"},
                   .ffn = {"ffn_hidden_size"},
                   .length = {"seq_length"},
                   .eps = {"layernorm_epsilon"},
                   .rope_base = {}},
          .names = {.embedding = "transformer.embedding.word_embeddings",
                    .layers = "transformer.encoder.layers",
                    .final_norm = "transformer.encoder.final_layernorm",
                    .head = "transformer.output_layer",
                    .attention = "self_attention",
                    .qkv = {"query_key_value"},
                    .attention_out = "dense",
                    .gate_up = {"dense_h_to_4h"},
                    .down = "dense_4h_to_h"}};
}

}  // namespace ingot::model
