// Qwen1.5, 2 and 2.5: a Llama with biases on queries, keys and values. Source: MODELS §2 B.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

/// `use_sliding_window` is false in the published models: then sliding_window and max_window_layers mean nothing.
void read(ConfigReader& reader, DecoderConfig& config) {
  config.qkv_bias = true;
  bool windowed = false;
  reader.read("use_sliding_window", windowed);
  if (!windowed) return;
  int64_t first = 28;  // transformers' default
  config.sliding_window = 4096;
  reader.read("sliding_window", config.sliding_window, 1, kMaxLength);
  reader.read("max_window_layers", first, 0, kMaxLength);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) config.windowed_layers.push_back(layer >= first);
}

}  // namespace

Family qwen2_family() { return {.model_type = "qwen2", .architectures = {"Qwen2ForCausalLM"}, .read = read}; }

}  // namespace ingot::model
