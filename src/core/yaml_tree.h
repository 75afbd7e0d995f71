#pragma once

#include <filesystem>

#include "core/json.h"

namespace ingot {

/// A YAML file of any shape as JSON: its scalars as texts, null where there is none, `null` or `~`. Throws ConfigError naming the file when it
/// cannot be read, is no YAML, is deeper than 32 levels, or has more than 100,000 nodes, aliases counted as often as they are used.
Json read_yaml_tree(const std::filesystem::path& file);

}  // namespace ingot
