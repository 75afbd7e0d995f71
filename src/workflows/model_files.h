#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ingot::workflows {

/// Names of the tokenizer and template files present in a model folder.
std::vector<std::string> tokenizer_files(const std::filesystem::path& folder);

/// sha256 over the names and bytes of the tokenizer files: what makes two tokenizers "the same".
std::string tokenizer_identity(const std::filesystem::path& folder);

/// Copies everything of a model folder that is not weights and that an export needs: config.json,
/// generation_config.json, tokenizer and template files. Throws DataError when there is no config.json.
void copy_companion_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace ingot::workflows
