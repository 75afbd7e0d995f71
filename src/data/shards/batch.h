#pragma once

#include <cstdint>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// Label of a position that does not count in the loss.
inline constexpr TokenId kIgnoredLabel = -100;

/// Rows of equal length, ready for the model. Every vector of tokens is [rows, seq_length], row by row.
struct Batch {
  int64_t rows = 0, seq_length = 0;
  std::vector<TokenId> tokens;
  std::vector<TokenId> labels;     // the token that follows, already shifted; kIgnoredLabel where none counts
  std::vector<float> weights;      // of labels in the loss; empty: each weighs 1
  std::vector<int32_t> positions;  // 0,1,2,...; restarted at document borders when asked
  /// Attention never crosses from one segment to another: start of every segment as an index into the
  /// flattened [rows * seq_length], ascending, first 0; the end rows * seq_length is appended.
  std::vector<int64_t> segment_starts;
  std::vector<uint64_t> sample_ids;  // numbers of the rows, or of the samples that they are made of
  int64_t num_labels() const;        // labels that count
};

}  // namespace ingot::data
