#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "checkpoint/manifest.h"
#include "checkpoint/safetensors.h"

namespace ingot::checkpoint {

/// Opens the files of a manifest, by name, and checks them against it: sizes, digests of every byte, and that each piece is
/// in its file with its dtype and extent. Throws DataError naming the file; Error when asked to stop.
std::map<std::string, SafetensorsFile> open_checked(const std::filesystem::path& folder, const Manifest& manifest);

}  // namespace ingot::checkpoint
