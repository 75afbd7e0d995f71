#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "data/sft/pack_plan.h"
#include "data/sft/sft_samples.h"
#include "data/shards/row_source.h"

namespace ingot::data {

struct SftRowOptions {
  int64_t cutoff_len = 1024;  // tokens of a sample or pack at most
  bool packing = false;       // a row is a pack of samples by best fit; else one sample
  std::optional<TokenId> eos_id = {};  // for labels that are eos
};

/// Samples as rows. However many rows a batch has, they are one row [1, total] without a token of padding: every sample
/// is a segment with positions from 0, its last token is no input, and no label is another sample's token.
/// sample_ids are those of all samples, as SftSamples numbers them.
class SftDataset : public RowSource {
 public:
  /// `chosen` are the samples to give, also several times over. Throws DataError when one is longer than cutoff_len.
  SftDataset(std::shared_ptr<const SftSamples> samples, std::vector<uint64_t> chosen, SftRowOptions options);
  uint64_t num_rows() const override;
  Batch batch(std::span<const uint64_t> rows) const override;
  /// Inputs of all rows as a share of num_rows() * cutoff_len.
  double fill() const;

 private:
  void append(uint64_t sample, Batch& batch) const;
  std::shared_ptr<const SftSamples> samples_;
  std::vector<uint64_t> chosen_;
  SftRowOptions options_;
  PackPlan plan_;  // of places in chosen_; empty without packing
  uint64_t num_inputs_ = 0;
};

}  // namespace ingot::data
