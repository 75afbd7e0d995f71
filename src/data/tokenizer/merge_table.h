#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "data/tokenizer/byte_hash.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// What two neighbouring symbols become. Lower ranks merge first, the leftmost pair among equal ranks.
struct Merge {
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  uint32_t rank = kNone;
  TokenId merged = -1;
};

/// The merges of a byte pair encoding (Sennrich et al. 2016), by pair of ids.
class MergeTable {
 public:
  explicit MergeTable(size_t expected_merges = 0);

  /// A pair that is there already takes the new merge.
  void insert(TokenId left, TokenId right, Merge merge);

  /// The merge of the pair; rank kNone where there is none.
  Merge find(TokenId left, TokenId right) const {
    const uint64_t key = key_of(left, right);
    for (size_t at = hash_of(key) & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.key == key) return slot.merge;
      if (slot.key == kFree) return {};
    }
  }

  /// Merges the symbols from `begin` on until no pair is left that merges.
  void apply(std::vector<TokenId>& symbols, size_t begin) const;

 private:
  struct Slot {
    uint64_t key = kFree;
    Merge merge;
  };
  static constexpr uint64_t kFree = std::numeric_limits<uint64_t>::max();
  static uint64_t key_of(TokenId left, TokenId right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  static size_t hash_of(uint64_t key) { return fold_multiply(key, 0x9e3779b97f4a7c15); }
  void grow(size_t num_slots);
  void apply_to_few(std::vector<TokenId>& symbols, size_t begin) const;
  void apply_to_many(std::vector<TokenId>& symbols, size_t begin) const;
  std::vector<Slot> slots_;  // open addressing, a power of two
  size_t mask_ = 0, num_merges_ = 0;
};

}  // namespace ingot::data
