#pragma once

#include <array>
#include <optional>

#include "data/tokenizer/byte_neighbors.h"
#include "data/tokenizer/merge_table.h"
#include "data/tokenizer/vocabulary.h"
#include "data/tokenizer/word_encoder.h"

namespace ingot::data {

/// What a byte pair encoding does besides merging.
struct BpeOptions {
  std::optional<TokenId> unknown;  // id of a symbol that is no piece; without one it is left out
  bool fuse_unknown = false;       // neighbouring unknown symbols give one id
  bool whole_words = false;        // a word that is a piece is that piece, whatever the merges (ignore_merges)
};

/// Byte pair encoding that starts from bytes. `pieces` are raw bytes, not spelled in the byte alphabet.
class ByteBpe : public WordEncoder {
 public:
  ByteBpe(Vocabulary pieces, MergeTable merges, BpeOptions options);
  void encode(std::string_view word, std::vector<TokenId>& ids) const override;

 private:
  void encode_afresh(std::string_view word, std::vector<TokenId>& ids) const;
  void encode_segment(std::string_view segment, std::vector<TokenId>& ids) const;
  void append_symbols(std::string_view segment, std::vector<TokenId>& ids) const;
  Vocabulary pieces_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<TokenId, 256> byte_ids_;  // kNoPiece where a byte is no piece
  ByteNeighbors neighbors_;
  bool can_cut_;
  uint32_t word_owner_, segment_owner_;  // in the cache: a segment is never looked up as a whole word
};

}  // namespace ingot::data
