// Llama 2, 3, 3.1, 3.2, Yi and SmolLM2. Source: MODELS §2 A.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

void llama_defaults(DecoderConfig& config) {
  config.vocab_size = 32000, config.hidden_size = 4096, config.num_layers = 32, config.num_heads = 32, config.num_kv_heads = 0;
  config.intermediate_size = 11008, config.max_position_embeddings = 2048;
  config.rms_norm_eps = 1e-6, config.rope_theta = 1e4, config.bos_token_id = 1, config.eos_token_ids = {2};
}

void read_llama(ConfigReader& reader, DecoderConfig& config) {
  reader.read("attention_bias", config.qkv_bias);
  config.attention_out_bias = config.qkv_bias;
  reader.read("mlp_bias", config.mlp_bias);
}

}  // namespace

Family llama_family() { return {.model_type = "llama", .architectures = {"LlamaForCausalLM"}, .read = read_llama, .defaults = llama_defaults}; }

}  // namespace ingot::model
