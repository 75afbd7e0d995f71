// Qwen-7B/14B/72B, first version: fused queries, keys and values with a bias, MLP matrices with names of their own. Its
// dynamic NTK and logn attention act in evaluation beyond the trained length only; training has neither. Source: MODELS §2 D.
#include "model/config_reader.h"
#include "model/decoder_config.h"
#include "model/family.h"

namespace ingot::model {
namespace {

/// Those of configuration_qwen.py since Qwen-14B.
void qwen_defaults(DecoderConfig& config) {
  config.vocab_size = 151936, config.hidden_size = 4096, config.num_layers = 32, config.num_heads = 32, config.head_dim = 128;
  config.intermediate_size = 22016, config.max_position_embeddings = 8192, config.rms_norm_eps = 1e-6;
}

void read_qwen(ConfigReader& reader, DecoderConfig& config) {
  config.qkv_bias = true;
  bool no_bias = true, ntk = true, logn = true;
  reader.read("no_bias", no_bias);
  config.attention_out_bias = config.mlp_bias = !no_bias;
  reader.problems().expect(config.intermediate_size % 2 == 0, "intermediate_size", config.intermediate_size,
                           "an even number, twice the width of the MLP");
  config.intermediate_size /= 2;
  reader.read("rotary_pct", config.partial_rotary_factor);
  reader.read("use_dynamic_ntk", ntk);
  reader.read("use_logn_attn", logn);
  int64_t length = 0;
  reader.read("seq_length", length, 1, kMaxLength);
  if (ntk || logn) config.plain_length = length;
}

}  // namespace

Family qwen_family() {
  return {.model_type = "qwen",
          .architectures = {"QWenLMHeadModel"},
          .read = read_qwen,
          .defaults = qwen_defaults,
          .keys = {.vocab = {"vocab_size", "padded_vocab_size"},
                   .hidden = {"hidden_size", "n_embd"},
                   .layers = {"num_hidden_layers", "n_layer"},
                   .heads = {"num_attention_heads", "n_head"},
                   .kv_heads = {},
                   .head_dim = {"kv_channels"},
                   .ffn = {"intermediate_size", "ffn_hidden_size"},
                   .length = {"max_position_embeddings", "n_positions"},
                   .eps = {"layer_norm_epsilon"},
                   .rope_base = {"rotary_emb_base"}},
          .names = {.embedding = "transformer.wte",
                    .layers = "transformer.h",
                    .final_norm = "transformer.ln_f",
                    .attention_norm = "ln_1",
                    .attention = "attn",
                    .mlp_norm = "ln_2",
                    .qkv = {"c_attn"},
                    .attention_out = "c_proj",
                    .gate_up = {"w2", "w1"},
                    .down = "c_proj"}};
}

}  // namespace ingot::model
