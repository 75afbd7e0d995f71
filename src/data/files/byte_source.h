#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "data/files/file_format.h"

namespace ingot::data {

/// A file as a stream of bytes.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Puts at most `size` bytes at `to` and returns their number, 0 only at the end. Throws DataError naming the file.
  virtual size_t read(char* to, size_t size) = 0;
  /// Bytes of the file itself, before decompression, that were consumed.
  virtual uint64_t bytes_read() const = 0;
};

/// Opens a regular file and decompresses it on the way: any number of gzip members, Zstandard or LZ4 frames, bzip2 or xz
/// streams behind one another. A compressed stream that ends early is a DataError.
std::unique_ptr<ByteSource> open_byte_source(const std::filesystem::path& file, Compression compression);

}  // namespace ingot::data
