#include "parallel/split.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace ingot::parallel {

bool can_split(const Split& split, int64_t parts) {
  return std::all_of(split.blocks.begin(), split.blocks.end(),
                     [&](const Split::Block& block) { return block.units % parts == 0 || parts % block.units == 0; });
}

std::vector<Slice> slices_of(const Split& split, const Shape& shape, int64_t part, int64_t parts) {
  if (!can_split(split, parts)) throw std::logic_error("a tensor cannot be split into " + std::to_string(parts) + " parts");
  const Slice whole = whole_of(shape);
  if (split.is_whole()) return {whole};
  const auto dim = static_cast<size_t>(split.dim);
  std::vector<Slice> slices;
  int64_t begin = 0;
  for (const auto& [size, units] : split.blocks) {
    const int64_t shares = std::min(parts, units), extent = size / shares;
    slices.push_back(whole);
    slices.back().offset[dim] = begin + part * shares / parts * extent;
    slices.back().extent[dim] = extent;
    begin += size;
  }
  return slices;
}

bool is_first_holder(const Split::Block& block, int64_t part, int64_t parts) {
  return block.units >= parts || part % (parts / block.units) == 0;
}

Shape part_shape(const Split& split, const Shape& shape, int64_t parts) {
  Shape whole = shape;
  if (split.is_whole()) return whole;
  int64_t size = 0;
  for (const auto& slice : slices_of(split, shape, 0, parts)) size += slice.extent[static_cast<size_t>(split.dim)];
  whole[static_cast<size_t>(split.dim)] = size;
  return whole;
}

}  // namespace ingot::parallel
