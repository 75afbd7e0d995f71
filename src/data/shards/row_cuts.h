#pragma once

#include <cstdint>
#include <vector>

#include "data/shards/indexed_dataset.h"

namespace ingot::data {

/// Where the rows of a token stream lie: row i of a data set has tokens [i*S, i*S + S) of that set as input and those one
/// further as labels. No row crosses from one data set into the next. A set of less than two tokens has no row.
class RowCuts {
 public:
  /// `set_ends`: position in the stream where each data set ends, ascending; the last is the length of the stream.
  /// Throws ConfigError when `seq_length` is not positive.
  RowCuts(std::vector<uint64_t> set_ends, int64_t seq_length);
  uint64_t num_rows() const { return first_rows_.back(); }
  uint64_t num_sets() const { return set_ends_.size(); }
  /// Number of the first row of data set `set`; num_sets() gives the end.
  uint64_t first_row(uint64_t set) const { return first_rows_.at(set); }
  /// The same of all, and the end.
  const std::vector<uint64_t>& first_rows() const { return first_rows_; }
  struct Range {
    uint64_t begin, end;  // the row's first token, and where its data set ends
  };
  /// Throws DataError when there is no such row.
  Range range(uint64_t row) const;

 private:
  std::vector<uint64_t> set_ends_, first_rows_{0};
  uint64_t seq_length_;
};

/// Where the tokens of data sets end that hold so many documents each. Throws DataError when these are not all documents.
std::vector<uint64_t> ends_of_sets(const IndexedDataset& tokens, const std::vector<uint64_t>& documents_of_sets);

}  // namespace ingot::data
