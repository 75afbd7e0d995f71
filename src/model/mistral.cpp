// Mistral: a Llama whose queries may see a window of the newest keys only. Source: MODELS §2 C.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

constexpr int64_t kWindowWhenNotStated = 4096;  // transformers' default; null states that there is none

void read(ConfigReader& reader, DecoderConfig& config) {
  if (!reader.states("sliding_window")) config.sliding_window = kWindowWhenNotStated;
  reader.read("sliding_window", config.sliding_window, 1, kMaxLength);
}

}  // namespace

Family mistral_family() { return {.model_type = "mistral", .architectures = {"MistralForCausalLM"}, .read = read}; }

}  // namespace ingot::model
