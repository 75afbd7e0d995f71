#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"

namespace ingot::checkpoint {

/// A checkpoint, told apart from one of the same step that another run has written.
struct CheckpointKey {
  int64_t step = 0;
  std::string manifest;  // its manifest's sha256
  auto operator<=>(const CheckpointKey&) const = default;
};

/// What one disk has of a checkpoint whose files lie on several.
struct HeldFiles {
  std::set<std::string> named;  // by the manifest
  std::set<std::string> here;   // of those, with the size that they must have
};

/// What one disk has of all checkpoints in a folder.
struct Holding {
  std::map<CheckpointKey, HeldFiles> checkpoints;
  std::optional<int64_t> tracked;  // the step in the tracker file
  int64_t damaged = 0;             // of which nothing is known
};

/// Reads manifests alone; one that is damaged is named in a warning and left out.
Holding holding_of(const std::filesystem::path& folder);

Json to_json(const Holding& holding);
Holding holding_from(const Json& json);

/// Those of which each file is on one of the disks at least, in the order in which a run tries to go on from them: from the newest step that
/// a disk has tracked back, then what a later run left that was given up.
std::vector<CheckpointKey> whole_checkpoints(const std::vector<Holding>& disks);

/// Of the newest checkpoint that is not whole, the name and the files that no disk has: "iter_0000500: state-00001-00001-of-00001.safetensors".
std::string what_is_missing(const std::vector<Holding>& disks);

}  // namespace ingot::checkpoint
