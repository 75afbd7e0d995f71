#include "data/shards/blocks.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace ingot::data {
namespace {

constexpr uint64_t kLeastBytes = uint64_t{1} << 20, kMostBytes = uint64_t{64} << 20, kWantedBlocks = 64;

uint64_t chosen_size(const std::vector<InputFile>& inputs) {
  const uint64_t total = std::accumulate(inputs.begin(), inputs.end(), uint64_t{0},
                                         [](uint64_t sum, const InputFile& file) { return sum + file.bytes; });
  return std::clamp(total / kWantedBlocks, kLeastBytes, kMostBytes);
}

}  // namespace

uint64_t Block::bytes() const {
  return std::accumulate(parts.begin(), parts.end(), uint64_t{0}, [](uint64_t sum, const BlockPart& part) { return sum + part.cut.bytes; });
}

std::vector<Block> plan_blocks(const std::vector<InputFile>& inputs, uint64_t block_bytes) {
  const uint64_t size = block_bytes > 0 ? block_bytes : chosen_size(inputs);
  std::vector<Block> blocks;
  uint64_t held = size;  // by the last block
  for (size_t file = 0; file < inputs.size(); ++file)
    for (const FileCut& cut : cut_file(inputs[file].path, inputs[file].bytes, size)) {
      if (blocks.empty() || held + cut.bytes > size) blocks.emplace_back(), held = 0;
      blocks.back().parts.push_back({file, cut});
      held += cut.bytes;
    }
  return blocks;
}

std::vector<Block> one_block(const std::vector<InputFile>& inputs) {
  return plan_blocks(inputs, std::numeric_limits<uint64_t>::max());
}

}  // namespace ingot::data
