#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "data/tokenizer/byte_hash.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// Ids of short words seen before. Every thread has one table of 2 MiB for all encoders, so nothing is locked; a new
/// word takes the place of another one.
class WordCache {
 public:
  /// The table of the calling thread.
  static WordCache& of_thread();

  /// A number for an encoder whose words are kept apart from those of others.
  static uint32_t new_owner();

  static bool holds(std::string_view word) { return word.size() <= kMaxBytes; }

  /// Appends the ids of the word when they are known. `holds(word)` is true.
  bool append(uint32_t owner, std::string_view word, std::vector<TokenId>& ids) const {
    const Entry& entry = entries_[slot_of(owner, word)];
    if (entry.owner != owner || entry.num_bytes != word.size() ||
        std::memcmp(entry.bytes.data(), word.data(), word.size()) != 0)
      return false;
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.num_ids);
    return true;
  }

  /// Keeps the word when its ids are few enough. `holds(word)` is true.
  void keep(uint32_t owner, std::string_view word, const TokenId* ids, size_t num_ids) {
    if (num_ids > kMaxIds) return;
    Entry& entry = entries_[slot_of(owner, word)];
    entry.owner = owner;
    entry.num_bytes = static_cast<uint8_t>(word.size());
    entry.num_ids = static_cast<uint8_t>(num_ids);
    std::copy(word.begin(), word.end(), entry.bytes.begin());
    std::copy(ids, ids + num_ids, entry.ids.begin());
  }

 private:
  static constexpr size_t kMaxBytes = 26, kMaxIds = 8, kEntries = size_t{1} << 15;
  struct Entry {
    uint32_t owner = 0;  // 0 is no encoder
    uint8_t num_bytes = 0, num_ids = 0;
    std::array<char, kMaxBytes> bytes;
    std::array<TokenId, kMaxIds> ids;
  };
  static_assert(sizeof(Entry) == 64);
  static size_t slot_of(uint32_t owner, std::string_view word) { return (hash_bytes(word) ^ owner) & (kEntries - 1); }
  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
};

}  // namespace ingot::data
