#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace ingot::checkpoint {

inline constexpr const char* kHfWeightsFile = "model.safetensors";
inline constexpr const char* kHfIndexFile = "model.safetensors.index.json";
inline constexpr const char* kTorchWeightsFile = "pytorch_model.bin";
inline constexpr const char* kTorchIndexFile = "pytorch_model.bin.index.json";

/// Tensor name to shard name, as an index file holds it.
using WeightMap = std::map<std::string, std::string>;

/// Reads the weight_map of an index file. Throws DataError naming the file when it is no such document or is empty.
WeightMap read_weight_map(const std::filesystem::path& index);

/// Sums over the tensors of a sharded folder.
struct WeightTotals {
  uint64_t parameters = 0, bytes = 0;
};

/// The text that transformers 5 writes as index: two spaces of indent, sorted keys, a closing line break.
std::string format_index(const WeightMap& weight_map, const WeightTotals& totals);

}  // namespace ingot::checkpoint
