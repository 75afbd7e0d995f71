#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace ingot::checkpoint {

/// Where the bytes of something lie in a file.
struct ByteRange {
  uint64_t offset = 0, size = 0;
};

struct ZipRecord {
  ByteRange bytes;      // as they lie in the file
  uint16_t method = 0;  // of compression; 0 is none
};

/// The records of a zip or zip64 file by name, apart from each other before the directory; names are plain and stand
/// once. Nothing is unpacked and no name is used as a path. Throws DataError naming `file` and the record.
std::map<std::string, ZipRecord> read_zip_records(std::span<const std::byte> bytes, const std::string& file);

}  // namespace ingot::checkpoint
