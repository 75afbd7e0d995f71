#pragma once

#include <filesystem>

namespace ingot::checkpoint {

/// Whether a folder is a checkpoint that Ingot wrote, sound or damaged, and holds nothing else: files alone, each manifest.json or
/// one that it names. Where it cannot be read, each has the name of a checkpoint's file. An empty folder is none.
bool is_own_checkpoint(const std::filesystem::path& folder);

/// Whether an entry of checkpoints/ is of those that Ingot makes while it writes there: a staging folder, a half-written tracker.
bool is_own_staging(const std::filesystem::path& entry);

/// Throws ConfigError naming the path where what stands there is no checkpoint of ours and no empty folder, and so may not be replaced.
void check_not_foreign(const std::filesystem::path& checkpoint);

/// The same of all in `folder` that has a checkpoint's name: each would be in the way of one.
void check_no_foreign_checkpoint(const std::filesystem::path& folder);

}  // namespace ingot::checkpoint
