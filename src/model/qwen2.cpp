// Qwen1.5, 2 and 2.5: a Llama with biases on queries, keys and values. Source: MODELS §2 B.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

void qwen2_defaults(DecoderConfig& config) {
  config.vocab_size = 151936, config.hidden_size = 4096, config.num_layers = 32, config.num_heads = 32, config.num_kv_heads = 32;
  config.intermediate_size = 22016, config.max_position_embeddings = 32768;
  config.rms_norm_eps = 1e-6, config.rope_theta = 1e4;
}

/// `use_sliding_window` is false in the published models: then sliding_window and max_window_layers mean nothing. A window of
/// null is none.
void read_qwen2(ConfigReader& reader, DecoderConfig& config) {
  config.qkv_bias = true;
  bool windowed = false;
  reader.read("use_sliding_window", windowed);
  if (!windowed || reader.states_null({"sliding_window"})) return;
  int64_t first = 28;  // transformers' default
  config.sliding_window = 4096;
  reader.read("sliding_window", config.sliding_window, 1, kMaxLength);
  reader.read("max_window_layers", first, 0, kMaxLength);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) config.windowed_layers.push_back(layer >= first);
}

}  // namespace

Family qwen2_family() { return {.model_type = "qwen2", .architectures = {"Qwen2ForCausalLM"}, .read = read_qwen2, .defaults = qwen2_defaults, .layer_types = true}; }

}  // namespace ingot::model
