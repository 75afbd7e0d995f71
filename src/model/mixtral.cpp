// Mixtral: a Mistral with a mixture of experts in place of each MLP. Source: MODELS §2 C.
#include <fmt/format.h>

#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

constexpr int64_t kMaxExperts = 1024;

void mixtral_defaults(DecoderConfig& config) {
  config.vocab_size = 32000, config.hidden_size = 4096, config.num_layers = 32, config.num_heads = 32, config.num_kv_heads = 8;
  config.intermediate_size = 14336, config.max_position_embeddings = 131072;
  config.rms_norm_eps = 1e-5, config.rope_theta = 1e6, config.bos_token_id = 1, config.eos_token_ids = {2};
}

/// The balance counts in the loss of transformers only where the router's logits are put out.
void read_balance(ConfigReader& reader, DecoderConfig& config) {
  bool counts = false;
  reader.read("output_router_logits", counts);
  double coefficient = 0.001;  // transformers' default
  reader.read_not_negative("router_aux_loss_coef", coefficient);
  if (counts) config.router_aux_loss_coef = coefficient;
  double noise = 0;
  reader.read_not_negative("router_jitter_noise", noise);
  reader.problems().expect(noise == 0, "router_jitter_noise", noise, "0: noise on the router's input is not supported");
}

void read_mixtral(ConfigReader& reader, DecoderConfig& config) {
  reader.read("sliding_window", config.sliding_window, 1, kMaxLength);
  config.num_experts = 8, config.experts_per_token = 2;  // transformers' defaults
  reader.read("num_local_experts", config.num_experts, 1, kMaxExperts);
  reader.read("num_experts_per_tok", config.experts_per_token, 1, kMaxExperts);
  reader.problems().expect(config.experts_per_token <= config.num_experts, "num_experts_per_tok",
                           config.experts_per_token, fmt::format("at most num_local_experts = {}", config.num_experts));
  read_balance(reader, config);
}

}  // namespace

Family mixtral_family() {
  DecoderNames names;
  names.mlp = "block_sparse_moe", names.gate_up = {"w1", "w3"}, names.down = "w2";
  return {.model_type = "mixtral",
          .architectures = {"MixtralForCausalLM"},
          .read = read_mixtral,
          .defaults = mixtral_defaults,
          .names = names};
}

}  // namespace ingot::model
