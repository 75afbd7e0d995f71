#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data/tokenizer/char_bpe.h"
#include "data/tokenizer/vocabulary.h"

namespace ingot::data {

/// Collects merges that a file gives as pairs of pieces, in the order of their ranks.
class MergeCollector {
 public:
  /// `source` names the file in messages; the vocabulary has to outlive the collector.
  MergeCollector(const Vocabulary& vocabulary, std::string source, size_t expected_merges);
  /// Throws DataError when one of the two or what they join to is no piece.
  void add(std::string_view left, std::string_view right);
  /// The same for "left right".
  void add_line(std::string_view line);
  MergeTable take() { return std::move(table_); }

 private:
  TokenId id_of(std::string_view piece) const;
  const Vocabulary& vocabulary_;
  std::string source_, joined_;
  MergeTable table_;
  uint32_t next_rank_ = 0;
};

/// Every split of a piece into two pieces becomes a merge with the rank of the piece, so that merging by pieces
/// (tiktoken, SentencePiece) turns into merging by pairs. `rank_of(id)` gives the ranks, Merge::kNone for a piece that
/// nothing merges to; `may_cut(piece, at)` tells where a piece may be split.
template <class RankOf, class MayCut>
MergeTable merges_of_pieces(const Vocabulary& pieces, const RankOf& rank_of, const MayCut& may_cut) {
  MergeTable table(static_cast<size_t>(pieces.size()) * 2);
  for (TokenId id = 0; id < pieces.size(); ++id) {
    const std::string_view piece = pieces.piece(id).value_or("");
    const uint32_t rank = rank_of(id);
    if (rank == Merge::kNone) continue;
    for (size_t at = 1; at < piece.size(); ++at) {
      if (!may_cut(piece, at)) continue;
      const auto left = pieces.find(piece.substr(0, at));
      const auto right = left ? pieces.find(piece.substr(at)) : std::nullopt;
      if (right) table.insert(*left, *right, {.rank = rank, .merged = id});
    }
  }
  return table;
}

/// The encoder for a byte-level vocabulary whose pieces are spelled in the byte alphabet.
std::unique_ptr<WordEncoder> make_byte_encoder(const Vocabulary& spelled, MergeTable merges, BpeOptions options);

}  // namespace ingot::data
