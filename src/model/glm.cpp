// GLM-4 in the layout of transformers ("-hf"): separate queries, keys and values, the rest as in chatglm.cpp.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

void read(ConfigReader& reader, DecoderConfig& config) {
  config.qkv_bias = true;  // transformers' defaults
  reader.read("attention_bias", config.qkv_bias);
  config.rope_interleaved = true;
  const auto* rope = reader.object("rope_parameters");
  if (!reader.contains("partial_rotary_factor") && (rope == nullptr || !rope->contains("partial_rotary_factor")))
    config.partial_rotary_factor = 0.5;
}

}  // namespace

Family glm_family() {
  return {.model_type = "glm",
          .architectures = {"GlmForCausalLM"},
          .read = read,
          .names = {.gate_up = {"gate_up_proj"}}};
}

}  // namespace ingot::model
