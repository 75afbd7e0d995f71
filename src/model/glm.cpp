// GLM-4 in the layout of transformers ("-hf"): separate queries, keys and values, the rest as in chatglm.cpp.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

const std::vector<int64_t> kEnds{151329, 151336, 151338};  // also where the file says null, as in transformers

void glm_defaults(DecoderConfig& config) {
  config.vocab_size = 151552, config.hidden_size = 4096, config.num_layers = 40, config.num_heads = 32, config.num_kv_heads = 2;
  config.intermediate_size = 13696, config.max_position_embeddings = 131072, config.head_dim = 128;
  config.rms_norm_eps = 1.5625e-7, config.rope_theta = 1e4, config.eos_token_ids = kEnds;
  config.partial_rotary_factor = 0.5;
}

void read_glm(ConfigReader& reader, DecoderConfig& config) {
  config.qkv_bias = true;  // transformers' defaults
  reader.read("attention_bias", config.qkv_bias);
  config.rope_interleaved = true;
  if (reader.states_null({"eos_token_id"})) config.eos_token_ids = kEnds;
}

}  // namespace

Family glm_family() {
  return {.model_type = "glm",
          .architectures = {"GlmForCausalLM"},
          .read = read_glm,
          .defaults = glm_defaults,
          .partial_rotary = true,
          .names = {.gate_up = {"gate_up_proj"}}};
}

}  // namespace ingot::model
