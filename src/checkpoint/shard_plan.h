#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ingot::checkpoint {

/// Deals tensors of these sizes, in their order, into files of at most `max_bytes`; a larger tensor has its own file.
/// The cut is that of huggingface_hub's split_state_dict_into_shards_factory. Returns the tensors' numbers by file, at
/// least one file.
std::vector<std::vector<size_t>> plan_shards(std::span<const uint64_t> sizes, uint64_t max_bytes);

/// "STEM-00001-of-00003.safetensors" for index 0 of 3.
std::string shard_name(const std::string& stem, size_t index, size_t count);

}  // namespace ingot::checkpoint
