// Mistral: a Llama whose queries may see a window of the newest keys only, in all layers or in those of layer_types. Source: MODELS §2 C.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

constexpr int64_t kWindowWhenNotStated = 4096;  // transformers' default; null states that there is none

void mistral_defaults(DecoderConfig& config) {
  config.vocab_size = 32000, config.hidden_size = 4096, config.num_layers = 32, config.num_heads = 32, config.num_kv_heads = 8;
  config.intermediate_size = 14336, config.max_position_embeddings = 131072;
  config.rms_norm_eps = 1e-6, config.rope_theta = 1e4, config.bos_token_id = 1, config.eos_token_ids = {2};
}

void read_mistral(ConfigReader& reader, DecoderConfig& config) {
  if (!reader.states("sliding_window")) config.sliding_window = kWindowWhenNotStated;
  reader.read("sliding_window", config.sliding_window, 1, kMaxLength);
}

}  // namespace

Family mistral_family() { return {.model_type = "mistral", .architectures = {"MistralForCausalLM"}, .read = read_mistral, .defaults = mistral_defaults, .layer_types = true}; }

}  // namespace ingot::model
