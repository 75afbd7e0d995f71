#include "data/sft/sft_dataset.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "core/error.h"

namespace ingot::data {

SftDataset::SftDataset(std::shared_ptr<const SftSamples> samples, std::vector<uint64_t> chosen, SftRowOptions options)
    : samples_(std::move(samples)), chosen_(std::move(chosen)), options_(options) {
  std::vector<uint32_t> inputs;  // of each chosen sample: all its tokens but the last
  inputs.reserve(chosen_.size());
  for (const uint64_t sample : chosen_) {
    const uint32_t length = samples_->length(sample);
    if (length > options_.cutoff_len)
      throw DataError(fmt::format("sample {} has {} tokens, wanted at most cutoff_len = {}", sample, length, options_.cutoff_len));
    inputs.push_back(length - 1);
    num_inputs_ += length - 1;
  }
  if (options_.packing) plan_ = pack_best_fit(inputs, static_cast<uint32_t>(options_.cutoff_len));
}

uint64_t SftDataset::num_rows() const { return options_.packing ? plan_.num_packs() : chosen_.size(); }

double SftDataset::fill() const {
  return static_cast<double>(num_inputs_) / (static_cast<double>(num_rows()) * static_cast<double>(options_.cutoff_len));
}

Batch SftDataset::batch(std::span<const uint64_t> rows) const {
  Batch batch;
  batch.rows = 1;
  for (const uint64_t row : rows) {
    if (row >= num_rows()) throw DataError(fmt::format("row {} asked for, the data set has {}", row, num_rows()));
    if (!options_.packing) append(chosen_[row], batch);
    else for (const uint64_t place : plan_.pack(row)) append(chosen_[place], batch);
  }
  batch.seq_length = static_cast<int64_t>(batch.tokens.size());
  batch.segment_starts.push_back(batch.seq_length);
  return batch;
}

void SftDataset::append(uint64_t sample, Batch& batch) const {
  const SftSample read = samples_->read(sample);
  const std::vector<TokenId> labels = labels_of(read.ids, read.loss_mask, options_.eos_id);
  const size_t begin = batch.tokens.size(), inputs = read.ids.size() - 1;
  batch.segment_starts.push_back(static_cast<int64_t>(begin));
  batch.sample_ids.push_back(sample);
  batch.tokens.insert(batch.tokens.end(), read.ids.begin(), read.ids.end() - 1);
  batch.labels.insert(batch.labels.end(), labels.begin() + 1, labels.end());
  if (!read.weights.empty() || !batch.weights.empty()) {
    batch.weights.resize(begin, 1);
    if (read.weights.empty()) batch.weights.resize(begin + inputs, 1);
    else batch.weights.insert(batch.weights.end(), read.weights.begin() + 1, read.weights.end());
  }
  batch.positions.resize(begin + inputs);
  std::iota(batch.positions.begin() + static_cast<int64_t>(begin), batch.positions.end(), 0);
}

}  // namespace ingot::data
