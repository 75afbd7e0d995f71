#pragma once

#include <cstdint>
#include <span>

#include "data/shards/batch.h"

namespace ingot::data {

/// Numbered rows that batches are made of: what training and evaluation read, whatever the stage.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual uint64_t num_rows() const = 0;
  /// The rows named, in that order. Safe from many threads.
  virtual Batch batch(std::span<const uint64_t> rows) const = 0;
};

}  // namespace ingot::data
