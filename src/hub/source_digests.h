#pragma once

#include <filesystem>

#include "hub/run_folder.h"

namespace ingot::hub {

/// Writes into `layout`, a run's source_layout, the digests of the files in it and in `source`: what an export will be made of.
void write_source_digests(const std::filesystem::path& layout, const std::filesystem::path& source);

/// Throws DataError naming the first file of a run's source or source_layout that is not as it was written.
void check_source_digests(const RunFolder& run);

}  // namespace ingot::hub
