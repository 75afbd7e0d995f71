#include "data/shards/row_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace ingot::data {
namespace {

/// Places inside one row, beside 0, where a document starts.
std::vector<int64_t> borders_inside(const IndexedDataset& tokens, uint64_t begin, int64_t length) {
  std::vector<int64_t> places;
  for (uint64_t document = tokens.document_of(begin) + 1; document < tokens.num_documents(); ++document) {
    const auto place = static_cast<int64_t>(tokens.document_start(document) - begin);
    if (place >= length) break;
    if (places.empty() || places.back() != place) places.push_back(place);  // an empty document starts where it ends
  }
  return places;
}

/// Tokens and labels of one row behind those of `batch`; `stream` holds the row's tokens and the one that follows.
void append_tokens(std::vector<TokenId> stream, size_t seq_length, Batch& batch) {
  const size_t num_labels = std::min(stream.size() - 1, seq_length);
  batch.labels.insert(batch.labels.end(), stream.begin() + 1, stream.begin() + 1 + static_cast<int64_t>(num_labels));
  batch.labels.insert(batch.labels.end(), seq_length - num_labels, kIgnoredLabel);
  stream.resize(seq_length, stream.back());
  batch.tokens.insert(batch.tokens.end(), stream.begin(), stream.end());
}

void append_positions(const std::vector<int64_t>& restarts, int64_t seq_length, Batch& batch) {
  const size_t row_start = batch.positions.size();
  batch.positions.resize(row_start + static_cast<size_t>(seq_length));
  auto begin = batch.positions.begin() + static_cast<int64_t>(row_start);
  std::iota(begin, batch.positions.end(), 0);
  for (const int64_t place : restarts) std::iota(begin + place, batch.positions.end(), 0);
}

}  // namespace

RowDataset::RowDataset(std::shared_ptr<const IndexedDataset> tokens, RowOptions options, std::vector<uint64_t> set_ends)
    : tokens_(std::move(tokens)),
      options_(options),
      cuts_(set_ends.empty() ? std::vector{tokens_->num_tokens()} : std::move(set_ends), options.seq_length) {
  if (tokens_->num_tokens() < 2)
    throw DataError(fmt::format("the data set holds {} tokens, at least 2 wanted", tokens_->num_tokens()));
}

Batch RowDataset::batch(std::span<const uint64_t> rows) const {
  Batch batch;
  batch.rows = static_cast<int64_t>(rows.size());
  batch.seq_length = options_.seq_length;
  batch.sample_ids.assign(rows.begin(), rows.end());
  const auto seq_length = static_cast<uint64_t>(options_.seq_length);
  for (const uint64_t row : rows) {
    const auto [begin, end] = cuts_.range(row);
    const auto flat_begin = static_cast<int64_t>(batch.tokens.size());
    append_tokens(tokens_->tokens(begin, std::min(seq_length + 1, end - begin)), seq_length, batch);
    std::vector<int64_t> borders;
    if (options_.reset_positions || options_.reset_attention)
      borders = borders_inside(*tokens_, begin, std::min(options_.seq_length, static_cast<int64_t>(end - begin)));
    append_positions(options_.reset_positions ? borders : std::vector<int64_t>{}, options_.seq_length, batch);
    batch.segment_starts.push_back(flat_begin);
    if (!options_.reset_attention) continue;
    for (const int64_t place : borders) batch.segment_starts.push_back(flat_begin + place);
  }
  batch.segment_starts.push_back(batch.rows * batch.seq_length);
  return batch;
}

}  // namespace ingot::data
