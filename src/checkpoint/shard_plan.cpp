#include "checkpoint/shard_plan.h"

#include <fmt/format.h>

namespace ingot::checkpoint {

std::vector<std::vector<size_t>> plan_shards(std::span<const uint64_t> sizes, uint64_t max_bytes) {
  std::vector<std::vector<size_t>> shards;
  std::vector<size_t> current;
  uint64_t current_bytes = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > max_bytes) {  // its file comes before the one being filled
      shards.push_back({i});
      continue;
    }
    if (current_bytes + sizes[i] > max_bytes) {
      shards.push_back(std::move(current));
      current.clear();
      current_bytes = 0;
    }
    current.push_back(i);
    current_bytes += sizes[i];
  }
  if (!current.empty() || shards.empty()) shards.push_back(std::move(current));
  return shards;
}

std::string shard_name(const std::string& stem, size_t index, size_t count) {
  return fmt::format("{}-{:05}-of-{:05}.safetensors", stem, index + 1, count);
}

}  // namespace ingot::checkpoint
