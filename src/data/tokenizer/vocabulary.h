#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// Ids at and above this are refused: no vocabulary comes near, and tables are as long as their largest id.
inline constexpr TokenId kMaxTokenId = 1 << 22;

/// In tables of ids by byte or letter: there is no such piece.
inline constexpr TokenId kNoPiece = -1;

/// Pieces of text and their ids, found from either side. All text lies in one string.
class Vocabulary {
 public:
  /// Makes room for that many pieces.
  void reserve(size_t num_pieces, size_t num_bytes);

  /// Adds a piece with 0 <= id < kMaxTokenId. False, and nothing added, when the piece or the id is there already, or
  /// when all text together would reach 4 GiB.
  bool insert(std::string_view piece, TokenId id);

  std::optional<TokenId> find(std::string_view piece) const;

  /// The piece of an id; nothing where the ids have a gap or end. Valid until the next insert.
  std::optional<std::string_view> piece(TokenId id) const;

  size_t num_pieces() const { return num_pieces_; }
  /// Largest id + 1.
  int64_t size() const { return static_cast<int64_t>(spans_.size()); }

 private:
  struct Span {
    uint32_t offset = kGap, length = 0;
  };
  struct Slot {
    uint32_t tag = 0;  // upper bits of the hash
    TokenId id = kFree;
  };
  static constexpr uint32_t kGap = UINT32_MAX;
  static constexpr TokenId kFree = -1;
  std::string_view text(const Span& span) const { return {text_.data() + span.offset, span.length}; }
  void grow(size_t num_slots);
  size_t slot_of(std::string_view piece, uint64_t hash) const;
  std::string text_;
  std::vector<Span> spans_;  // by id
  std::vector<Slot> slots_;  // open addressing, a power of two
  size_t num_pieces_ = 0;
};

}  // namespace ingot::data
