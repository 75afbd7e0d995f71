#pragma once

#include <array>
#include <vector>

#include "data/tokenizer/byte_bpe.h"
#include "data/tokenizer/neighbor_filter.h"

namespace ingot::data {

/// Byte pair encoding that starts from characters, as SentencePiece does; a character that is no piece becomes the
/// "<0xNN>" pieces of its bytes where `byte_fallback` and all of them exist, else the unknown piece.
class CharBpe : public WordEncoder {
 public:
  struct Options : BpeOptions {
    bool byte_fallback = false;
  };
  CharBpe(const Vocabulary& pieces, MergeTable merges, Options options);
  void encode(std::string_view word, std::vector<TokenId>& ids) const override;

 private:
  void encode_segment(std::string_view segment, std::vector<TokenId>& ids) const;
  void append_symbols(std::string_view segment, std::vector<TokenId>& ids) const;
  bool append_bytes(std::string_view character, std::vector<TokenId>& ids) const;
  TokenId char_id(char32_t c) const { return c < char_ids_.size() ? char_ids_[c] : -1; }
  Vocabulary whole_words_;         // filled when options_.whole_words
  MergeTable merges_;
  Options options_;
  std::vector<TokenId> char_ids_;  // by code point, -1 where a character is no piece
  std::array<TokenId, 256> byte_ids_;
  NeighborFilter neighbors_;       // of characters inside pieces
  bool can_cut_;
  uint32_t cache_owner_;
};

}  // namespace ingot::data
