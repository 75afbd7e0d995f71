#pragma once

#include <string_view>

#include "data/tokenizer/neighbor_filter.h"

namespace ingot::data {

/// Tells where a word can be cut before byte-level merging without a change to its ids: between two characters that no
/// piece joins, be it with the whole of them or with some of their bytes.
class ByteNeighbors {
 public:
  /// Adds what the piece, in raw bytes, holds side by side.
  void add_piece(std::string_view piece);

  /// True when some piece may hold bytes of both characters, `left` before `right`.
  bool may_join(std::string_view left, std::string_view right) const;

 private:
  NeighborFilter joins_;
  NeighborFilter lefts_;  // what stands left of a join, so that most ends of a character need no more looks
};

}  // namespace ingot::data
