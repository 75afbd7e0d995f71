#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace ingot::workflows {

/// Names of the tokenizer and template files present in a model folder.
std::vector<std::string> tokenizer_files(const std::filesystem::path& folder);

/// sha256 over the names and bytes of the tokenizer files: what makes two tokenizers "the same".
std::string tokenizer_identity(const std::filesystem::path& folder);

/// Copies everything of a model folder that is not weights and that an export needs: config.json,
/// generation_config.json, tokenizer and template files. Throws DataError when there is no config.json.
void copy_companion_files(const std::filesystem::path& from, const std::filesystem::path& to);

/// Sets the dtype that the folder's config.json states for the weights beside it.
void write_dtype(const std::filesystem::path& folder, DType dtype);

/// "bfloat16", "float16" or "float32" as a dtype; nothing for "auto". Throws ConfigError for another word.
std::optional<DType> dtype_named(const std::string& name);

/// The folder as a plain absolute path to write a model to. Throws ConfigError when something else than a model folder
/// or an empty one is there.
std::filesystem::path model_target(const std::filesystem::path& folder);

}  // namespace ingot::workflows
