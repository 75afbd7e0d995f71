#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"

namespace ingot::checkpoint {

/// Bytes of a header at most, by the reference reader.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

/// What the JSON header of a safetensors file says.
struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // by offset
  std::map<std::string, std::string> metadata;
};

/// Reads a header without building a document of it, and checks that its tensors fill `data_size` bytes without hole or
/// overlap. Throws DataError naming `file`.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_size, const std::string& file);

/// The tensors in the reference writer's order (widest dtype first, then name) with `begin` and `end` set.
std::vector<TensorEntry> lay_out_tensors(std::vector<TensorEntry> tensors);

/// The start of a file of these laid out tensors: 8 bytes of length, JSON, spaces to a multiple of 8 bytes.
std::string build_safetensors_header(const std::vector<TensorEntry>& tensors,
                                     const std::map<std::string, std::string>& metadata);

}  // namespace ingot::checkpoint
