#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/folder_files.h"

namespace ingot::hub {

/// The ids that end an answer by generation_config.json; nothing where it is silent. Reads nothing else of it, for training needs no
/// more. Throws as read_generation_config does.
std::optional<std::vector<int64_t>> read_generation_ends(const FolderFiles& folder);

/// How generation_config.json says that tokens are chosen; nothing where it is silent. Source: transformers' GenerationConfig.
struct GenerationConfig {
  bool do_sample = false;
  std::optional<double> temperature, top_p, repetition_penalty;
  std::optional<int64_t> top_k;
  std::vector<std::string> left_out;  // keys with their values that would choose other tokens and are not built here
};

/// Throws ConfigError naming file, key, value found and wanted, DataError for a file that is no JSON object. A folder without the file says nothing.
GenerationConfig read_generation_config(const FolderFiles& folder);

}  // namespace ingot::hub
