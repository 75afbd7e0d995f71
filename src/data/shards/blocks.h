#pragma once

#include <cstdint>
#include <vector>

#include "core/json.h"
#include "data/files/file_part.h"
#include "data/shards/ledger.h"

namespace ingot::data {

/// A part of one of the inputs.
struct BlockPart {
  size_t file = 0;  // number of the input
  FileCut cut;
  bool begins_file() const { return cut.begin == 0; }
  bool ends_file() const { return cut.end == FilePart::kToTheEnd; }
};

/// What one rank makes at a time: parts that follow each other in the inputs.
struct Block {
  std::vector<BlockPart> parts;
  uint64_t bytes() const;
};

/// The inputs in blocks of about `block_bytes`, in order: small files together, large ones in parts where they can be cut. Depends on the
/// inputs alone. 0: a 64th of the inputs, from 1 MiB to 64 MiB.
std::vector<Block> plan_blocks(const std::vector<InputFile>& inputs, uint64_t block_bytes = 0);

/// All inputs in one block, where what a record becomes depends on those before it.
std::vector<Block> one_block(const std::vector<InputFile>& inputs);

}  // namespace ingot::data
