#include "data/sft/sft_samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "data/sft/sft_files.h"
#include "data/shards/batch.h"

namespace ingot::data {

std::vector<TokenId> labels_of(std::span<const TokenId> ids, std::span<const uint8_t> loss_mask, std::optional<TokenId> eos_id) {
  std::vector<TokenId> labels(ids.size(), kIgnoredLabel);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (loss_mask[i] == kEosLabel && !eos_id) throw DataError("a label is eos, and the tokenizer names no eos token");
    if (loss_mask[i] != kNoLabel) labels[i] = loss_mask[i] == kEosLabel ? *eos_id : ids[i];
  }
  return labels;
}

std::vector<TokenId> bits_of(const std::vector<float>& weights) {
  std::vector<TokenId> bits;
  for (const float weight : weights) bits.push_back(std::bit_cast<TokenId>(weight));
  return bits;
}

SftSamples::Set::Set(const std::filesystem::path& prefix)
    : tokens(SftFiles(prefix).tokens), loss_mask(SftFiles(prefix).loss_mask), loss_weights(SftFiles(prefix).loss_weights) {
  const uint64_t samples = tokens.num_sequences(), masks = loss_mask.num_sequences(), weights = loss_weights.num_sequences();
  if (samples != masks || samples != weights)
    throw DataError(fmt::format("{}: {} samples with {} loss masks and {} sets of weights, wanted one for each", prefix.string(), samples,
                                masks, weights));
  for (uint64_t i = 0; i < samples; ++i)
    if (tokens.sequence_length(i) != loss_mask.sequence_length(i) || tokens.sequence_length(i) < 2)
      throw DataError(fmt::format("{}: sample {} has {} tokens and a loss mask of {}, wanted as many, at least 2",
                                  prefix.string(), i, tokens.sequence_length(i), loss_mask.sequence_length(i)));
    else if (const uint64_t weighed = loss_weights.sequence_length(i); weighed != 0 && weighed != tokens.sequence_length(i))
      throw DataError(fmt::format("{}: sample {} has {} tokens and {} weights, wanted as many or none", prefix.string(), i,
                                  tokens.sequence_length(i), weighed));
}

SftSamples::SftSamples(const std::vector<std::filesystem::path>& prefixes) {
  for (const auto& prefix : prefixes) {
    sets_.emplace_back(prefix);
    starts_.push_back(starts_.back() + sets_.back().tokens.num_sequences());
  }
}

uint64_t SftSamples::set_of(uint64_t sample) const {
  if (sample >= num_samples()) throw DataError(fmt::format("sample {} asked for, there are {}", sample, num_samples()));
  return static_cast<uint64_t>(std::upper_bound(starts_.begin(), starts_.end(), sample) - starts_.begin()) - 1;
}

uint32_t SftSamples::length(uint64_t sample) const {
  const uint64_t set = set_of(sample);
  return static_cast<uint32_t>(sets_[set].tokens.sequence_length(sample - starts_[set]));
}

SftSample SftSamples::read(uint64_t sample) const {
  const uint64_t set = set_of(sample), index = sample - starts_[set];
  const auto mask = sets_[set].loss_mask.sequence(index), bits = sets_[set].loss_weights.sequence(index);
  SftSample found{sets_[set].tokens.sequence(index), {mask.begin(), mask.end()}, {}};
  for (const TokenId weight : bits) found.weights.push_back(std::bit_cast<float>(weight));
  return found;
}

}  // namespace ingot::data
