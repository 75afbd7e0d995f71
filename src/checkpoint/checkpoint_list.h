#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace ingot::checkpoint {

/// A checkpoint on disk: FOLDER/iter_0000500/{manifest.json, state-00001-of-0000K.safetensors}, as state_writer.h has it.
struct CheckpointInfo {
  int64_t step = 0;
  std::filesystem::path folder;
};

/// Checkpoints of ours in `folder`, oldest first: by name and kind of files (own_folder.h); they may be damaged.
std::vector<CheckpointInfo> list_checkpoints(const std::filesystem::path& folder);

/// The step in the tracker file; nothing when there is none to be read.
std::optional<int64_t> tracked_step(const std::filesystem::path& folder);

}  // namespace ingot::checkpoint
