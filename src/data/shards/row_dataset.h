#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "data/shards/batch.h"
#include "data/shards/indexed_dataset.h"
#include "data/shards/row_cuts.h"
#include "data/shards/row_source.h"

namespace ingot::data {

struct RowOptions {
  int64_t seq_length = 1024;
  bool reset_positions = false;  // positions restart behind every end-of-document token
  bool reset_attention = false;  // attention does not cross documents
};

/// Cuts the token stream of one indexed dataset into rows, see RowCuts. The last row of each data set is padded with its
/// last token and ignored labels, so no token is lost: each is input once, but for a last token that only labels the row
/// before it, and each but the first is a label once.
class RowDataset : public RowSource {
 public:
  /// `set_ends` as RowCuts has them; empty: the stream is one data set.
  RowDataset(std::shared_ptr<const IndexedDataset> tokens, RowOptions options, std::vector<uint64_t> set_ends = {});
  const RowCuts& cuts() const { return cuts_; }
  uint64_t num_rows() const override { return cuts_.num_rows(); }
  Batch batch(std::span<const uint64_t> rows) const override;

 private:
  std::shared_ptr<const IndexedDataset> tokens_;
  RowOptions options_;
  RowCuts cuts_;
};

}  // namespace ingot::data
