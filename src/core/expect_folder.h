#pragma once

#include <filesystem>
#include <string>

namespace ingot {

/// Throws ConfigError naming `field`, such as "--model", and what was `wanted` where `path` is no folder.
void expect_folder(const std::filesystem::path& path, const std::string& field, const std::string& wanted);

inline constexpr const char* kModelFolder = "a folder with config.json";
inline constexpr const char* kAdapterFolder = "a folder with adapter_config.json";

}  // namespace ingot
