#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"

namespace ingot::checkpoint {

/// What adapter_config.json of a LoRA adapter says, with PEFT's names and defaults. FORMATS §3.
struct AdapterConfig {
  std::string base_model_name_or_path;
  int64_t r = 8;
  double lora_alpha = 8, lora_dropout = 0;
  bool use_rslora = false;
  std::vector<std::string> target_modules;  // ends of module paths; or one expression that matches paths whole
  bool target_is_expression = false;
  std::vector<std::string> exclude_modules;  // the same, of modules that get no addition
  bool exclude_is_expression = false;
  std::vector<int64_t> layers_to_transform;  // indices of the layers that get one; empty: all. Not with an expression
  std::vector<std::string> layers_pattern;   // what stands before the index in a path, as expressions; empty: any name
  std::vector<std::string> modules_to_save;
  /// Expressions for the end of a module's path, with another rank or alpha; the first that matches counts.
  std::vector<std::pair<std::string, int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;

  /// Throws DataError naming `source` and the key for another kind of adapter than plain LoRA, for a key that would
  /// change what the adapter computes in a way that is not built here, and for a value of the wrong type. A key that
  /// is unknown here and says something gets a warning.
  static AdapterConfig from_json(const Json& json, const std::string& source);
  /// Everything that PEFT's LoraConfig writes for such an adapter, keys sorted.
  Json to_json() const;
};

}  // namespace ingot::checkpoint
