#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "checkpoint/manifest.h"
#include "checkpoint/safetensors.h"

namespace ingot::checkpoint {

/// Opens those files of a manifest that are in `names`, by name, and checks them against it: sizes, digests of every byte, and that each
/// piece is in its file with its dtype and extent. Throws DataError naming the file; Error when asked to stop.
std::map<std::string, SafetensorsFile> open_checked(const std::filesystem::path& folder, const Manifest& manifest, const std::set<std::string>& names);

}  // namespace ingot::checkpoint
