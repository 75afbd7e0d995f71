// Llama 2, 3, 3.1, 3.2, Yi and SmolLM2. Source: MODELS §2 A.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

void read(ConfigReader& reader, DecoderConfig& config) {
  reader.read("attention_bias", config.qkv_bias);
  config.attention_out_bias = config.qkv_bias;
  reader.read("mlp_bias", config.mlp_bias);
}

}  // namespace

Family llama_family() { return {.model_type = "llama", .architectures = {"LlamaForCausalLM"}, .read = read}; }

}  // namespace ingot::model
