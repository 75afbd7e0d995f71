#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace ingot::data {

/// What the footer of a Parquet file says of a row group.
struct ParquetGroup {
  uint64_t bytes = 0, rows = 0;  // bytes as they are stored
};

/// Throws DataError naming a file that is damaged.
std::vector<ParquetGroup> parquet_groups(const std::filesystem::path& file);

}  // namespace ingot::data
