#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "data/shards/indexed_dataset.h"

namespace ingot::data {

/// Ids of one sample and which of them are labels.
struct SftSample {
  std::vector<TokenId> ids;
  std::vector<uint8_t> loss_mask;  // [ids]  as RenderedChat has it
  std::vector<float> weights;      // [ids]  of labels in the loss; empty: each weighs 1
};

/// Weights as SftFiles::loss_weights holds them.
std::vector<TokenId> bits_of(const std::vector<float>& weights);

/// What the model has to say at each token, not shifted: the token itself, eos, or kIgnoredLabel. Throws DataError when
/// eos is wanted and there is none.
std::vector<TokenId> labels_of(std::span<const TokenId> ids, std::span<const uint8_t> loss_mask, std::optional<TokenId> eos_id);

/// The samples of several preprocessed data sets, numbered through in their order. The shards are mapped, not held.
class SftSamples {
 public:
  /// Throws DataError when tokens, loss masks and weights do not fit each other.
  explicit SftSamples(const std::vector<std::filesystem::path>& prefixes);
  uint64_t num_samples() const { return starts_.back(); }
  uint64_t num_sets() const { return sets_.size(); }
  /// Number of the first sample of each data set, and behind them the end.
  const std::vector<uint64_t>& starts() const { return starts_; }
  uint64_t set_of(uint64_t sample) const;
  uint32_t length(uint64_t sample) const;  // tokens
  SftSample read(uint64_t sample) const;

 private:
  struct Set {
    explicit Set(const std::filesystem::path& prefix);
    IndexedDataset tokens, loss_mask, loss_weights;
  };
  std::deque<Set> sets_;
  std::vector<uint64_t> starts_{0};
};

}  // namespace ingot::data
