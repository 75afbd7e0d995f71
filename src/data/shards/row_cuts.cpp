#include "data/shards/row_cuts.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace ingot::data {

RowCuts::RowCuts(std::vector<uint64_t> set_ends, int64_t seq_length)
    : set_ends_(std::move(set_ends)), seq_length_(static_cast<uint64_t>(seq_length)) {
  if (seq_length < 1) throw ConfigError(fmt::format("seq_length is {}, wanted 1 or more", seq_length));
  uint64_t begin = 0;
  for (const uint64_t end : set_ends_) {
    const uint64_t num_tokens = end - begin;
    first_rows_.push_back(first_rows_.back() + (num_tokens < 2 ? 0 : (num_tokens - 2) / seq_length_ + 1));
    begin = end;
  }
}

RowCuts::Range RowCuts::range(uint64_t row) const {
  if (row >= num_rows()) throw DataError(fmt::format("row {} asked for, the data set has {}", row, num_rows()));
  const auto next = std::upper_bound(first_rows_.begin(), first_rows_.end(), row);
  const auto set = static_cast<size_t>(next - first_rows_.begin()) - 1;
  const uint64_t begin = set == 0 ? 0 : set_ends_[set - 1];
  return {begin + (row - first_rows_[set]) * seq_length_, set_ends_[set]};
}

std::vector<uint64_t> ends_of_sets(const IndexedDataset& tokens, const std::vector<uint64_t>& documents_of_sets) {
  const uint64_t all = std::accumulate(documents_of_sets.begin(), documents_of_sets.end(), uint64_t{0});
  if (all != tokens.num_documents())
    throw DataError(fmt::format("documents_of_sets: found {} documents, wanted {}, as many as the shards hold", all, tokens.num_documents()));
  std::vector<uint64_t> ends;
  uint64_t documents = 0;
  for (const uint64_t more : documents_of_sets) ends.push_back(tokens.document_start(documents += more));
  return ends;
}

}  // namespace ingot::data
