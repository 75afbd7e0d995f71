#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/gguf/gguf.h"

namespace ingot::checkpoint {

/// What stands before the data of a GGUF file.
struct GgufHeader {
  std::map<std::string, GgufValue> values;
  std::vector<GgufTensor> tensors;
  uint64_t data_start = 0;
};

/// Reads and checks the header; the tensors lie inside the file, aligned, apart. Throws DataError naming `file`.
GgufHeader parse_gguf_header(std::span<const std::byte> bytes, const std::string& file);

}  // namespace ingot::checkpoint
