#pragma once

#include <bitset>
#include <cstdint>
#include <memory>

#include "data/tokenizer/byte_hash.h"

namespace ingot::data {

/// A set of pairs that never says no to a member; a few others are taken for members too. What no piece holds side by
/// side no merge joins, so a text can be cut there without a change to its ids.
class NeighborFilter {
 public:
  void insert(uint64_t left, uint64_t right) { bits_->set(place_of(left, right)); }
  bool may_hold(uint64_t left, uint64_t right) const { return bits_->test(place_of(left, right)); }

 private:
  static constexpr size_t kBits = size_t{1} << 20;
  static size_t place_of(uint64_t left, uint64_t right) {
    return fold_multiply(left + 0x9e3779b97f4a7c15, right + 0xd6e8feb86659fd93) & (kBits - 1);
  }
  std::unique_ptr<std::bitset<kBits>> bits_ = std::make_unique<std::bitset<kBits>>();
};

}  // namespace ingot::data
