#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace ingot::checkpoint {

/// A ggml element type: `block` elements lie together in `bytes` bytes.
struct GgmlType {
  uint32_t number;
  const char* name;
  uint64_t block, bytes;
  void (*decode)(const uint8_t* in, float* out);  // one block
};

/// The type of that number, or null when it is not one that is read here.
const GgmlType* find_ggml_type(uint32_t number);

/// "F32 (0), F16 (1) ..." of all types read here, for messages.
std::string known_ggml_types();

/// Decodes whole blocks; `out` holds as many elements as the blocks of `in`. Every operation is one rounded float32
/// operation in the order of gguf.quants (PyPI package gguf 0.19), so the bits are the same.
void decode_blocks(const GgmlType& type, std::span<const std::byte> in, std::span<float> out);

}  // namespace ingot::checkpoint
