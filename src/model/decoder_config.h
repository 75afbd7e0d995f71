#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/json.h"

namespace ingot::model {

/// Llama 3.1 frequency scaling (MODELS §1.2); kinds "default", "linear", "llama3".
struct RopeScaling {
  std::string kind = "default";
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  double original_max_position_embeddings = 8192;
};

/// The pre-norm decoder block's sizes and switches, read from a Hugging Face config.json in either spelling
/// (transformers 4: rope_theta, rope_scaling, torch_dtype; 5: rope_parameters, dtype). MODELS §1.3.
struct DecoderConfig {
  std::string model_type = "llama";       // "llama", "qwen2", "mistral" ...
  std::string architecture = "LlamaForCausalLM";
  int64_t vocab_size = 0, hidden_size = 0, num_layers = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
  int64_t intermediate_size = 0, max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6, rope_theta = 10000, initializer_range = 0.02;
  RopeScaling rope_scaling;
  bool tie_word_embeddings = false, attention_bias = false, mlp_bias = false;
  std::optional<int64_t> bos_token_id;
  std::vector<int64_t> eos_token_ids;     // an int or a list in the file
  DType dtype = DType::kF32;              // of the weights as published

  /// Throws DataError naming file, key, value found and wanted; every problem at once. An architecture that is not
  /// supported is named with those that are.
  static DecoderConfig from_json(const Json& config, const std::string& source);
  static DecoderConfig from_folder(const std::filesystem::path& folder);  // reads config.json

  /// Angles per position, one for each rotated pair: [head_dim/2], scaling applied.
  std::vector<double> inverse_frequencies() const;
};

}  // namespace ingot::model
