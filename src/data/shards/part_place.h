#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/shards/blocks.h"
#include "data/shards/ledger.h"

namespace ingot::data {

/// Where the records that are added next stand: a part of a block, and the rows of its file before it. Blocks and parts come in order.
class PartPlace {
 public:
  explicit PartPlace(const std::vector<InputFile>& inputs) : inputs_(inputs) {}
  void begin(const Block& block) { block_ = &block, part_ = 0; }
  size_t file() const { return now().file; }
  uint64_t row(uint64_t in_part) const { return rows_before_ + in_part; }
  bool ends_file() const { return now().ends_file(); }
  /// The part is over, after so many rows; of a file's last one the file must still be what it was. Throws DataError when it is not.
  void end_part(uint64_t rows);
  /// The same of a file that was not read to its end.
  void leave_part();

 private:
  const BlockPart& now() const { return block_->parts.at(part_); }
  const std::vector<InputFile>& inputs_;
  const Block* block_ = nullptr;
  size_t part_ = 0;
  uint64_t rows_before_ = 0;
};

}  // namespace ingot::data
