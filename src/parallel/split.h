#pragma once

#include <cstdint>
#include <vector>

#include "core/slice.h"

namespace ingot::parallel {

/// How a tensor is cut over tensor parallel ranks. Along `dim` it is made of blocks, one after another, as the queries, keys and values of a
/// joint matrix are; part i of n has the i-th share of every block. Without blocks it is not cut: every part has all of it.
struct Split {
  struct Block {
    int64_t size;
    int64_t units;  // equal pieces that stay whole: heads of attention, single rows
    bool operator==(const Block&) const = default;
  };
  int64_t dim = 0;
  std::vector<Block> blocks = {};
  bool is_whole() const { return blocks.empty(); }
  bool operator==(const Split&) const = default;
};

/// Whether every block can be dealt to so many parts: its units are a multiple of them, or they a multiple of its units, which neighbours then
/// share, as few key and value heads are.
bool can_split(const Split& split, int64_t parts);

/// Part `part` of `parts` of a tensor of that shape, one slice for each block, in order. Throws std::logic_error where it cannot be split.
std::vector<Slice> slices_of(const Split& split, const Shape& shape, int64_t part, int64_t parts);

/// Whether part `part` is the first of those that share the slice of a block, where there are fewer units than parts.
bool is_first_holder(const Split::Block& block, int64_t part, int64_t parts);

/// Shape of a part: its slices one after another.
Shape part_shape(const Split& split, const Shape& shape, int64_t parts);

}  // namespace ingot::parallel
