#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/folder_files.h"
#include "core/json.h"

namespace ingot::model {

inline constexpr int64_t kMaxLength = int64_t{1} << 40;  // of a sequence or window that a config.json may state

/// How rope's frequencies are changed for rows longer than those of the first training; kinds "default", "linear", "dynamic",
/// "yarn", "llama3". Source: transformers, modeling_rope_utils.py; MODELS §1.2.
struct RopeScaling {
  std::string kind = "default";
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  double original_max_position_embeddings = 8192;
  double beta_fast = 32, beta_slow = 1;                         // of yarn: turns in that length
  double attention_factor = 0, mscale = 0, mscale_all_dim = 0;  // of yarn; 0: not stated
  bool truncate = true;                                         // of yarn: whole borders
};

/// The pre-norm decoder block's sizes and switches, read from a Hugging Face config.json in either spelling
/// (transformers 4: rope_theta, rope_scaling, torch_dtype; 5: rope_parameters, dtype) and in the family's own words.
/// MODELS §1.3.
struct DecoderConfig {
  std::string model_type = "llama";       // "llama", "qwen2", "mistral" ...: a Family
  std::string architecture = "LlamaForCausalLM";
  int64_t vocab_size = 0, hidden_size = 0, num_layers = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
  int64_t intermediate_size = 0, max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6, rope_theta = 10000, initializer_range = 0.02;
  RopeScaling rope_scaling;
  double partial_rotary_factor = 1;       // share of a head's dims, from the first on, that rotate
  bool rope_interleaved = false;          // pairs (2i, 2i+1), not (i, i + half)
  bool alibi = false;                     // linear biases on scores in place of rope
  bool norm_head = false;                 // logits by the head's rows scaled to unit length
  int64_t sliding_window = 0;             // newest keys that a query sees, its own among them; 0: all
  std::vector<bool> windowed_layers;      // where the window holds; empty: in every layer
  std::vector<std::string> notes;         // statements of the file that another one overrides, each to be said to the user
  int64_t plain_length = 0;               // beyond it the model's own code evaluates otherwise than it trains; 0: never
  int64_t num_experts = 0, experts_per_token = 0;  // of a mixture of experts in each layer; 0: one dense MLP
  double router_aux_loss_coef = 0;        // weight of the experts' balance in the training loss; 0: left out
  bool tie_word_embeddings = false, qkv_bias = false, attention_out_bias = false, mlp_bias = false;
  std::optional<int64_t> bos_token_id;
  std::vector<int64_t> eos_token_ids;     // an int or a list in the file
  DType dtype = DType::kF32;              // of the weights as published

  /// Throws ConfigError naming file, key, value found and wanted, every problem at once; DataError for a file that is no JSON
  /// object. An architecture that is not supported is named with those that are.
  static DecoderConfig from_json(const Json& config, const std::string& source);
  static DecoderConfig from_folder(const FolderFiles& folder);  // reads config.json

  /// Products of the output projection in those of a layer, of one token.
  double head_in_layers() const;
  /// Dims of each head that rotate; 0 with ALiBi.
  int64_t rotary_dim() const;
  /// Angles per position, one for each rotated pair: [rotary_dim/2], scaling applied; "dynamic" for rows of `length` tokens.
  std::vector<double> inverse_frequencies(int64_t length = 0) const;
  /// What cosines and sines are multiplied by; 1 but for yarn.
  double rope_amplitude() const;
  /// A layer's window, 0 when it has none.
  int64_t window_of(int64_t layer) const;
  /// ALiBi's slope of each head, [num_heads]; empty without ALiBi. Source: MODELS §2 F.
  std::vector<double> alibi_slopes() const;
};

}  // namespace ingot::model
