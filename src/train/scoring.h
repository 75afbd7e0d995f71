#pragma once

#include <cstdint>
#include <span>

#include "data/tokenizer/tokenizer.h"
#include "model/causal_lm.h"

namespace ingot::train {

/// A sum of cross entropies in nat and the number of tokens that it is over, and how many of them the model holds for
/// the likeliest.
struct Score {
  double loss_sum = 0;  // each by its label's weight
  uint64_t tokens = 0, correct = 0;
  double mean() const { return tokens ? loss_sum / static_cast<double>(tokens) : 0; }
  double accuracy() const { return tokens ? static_cast<double>(correct) / static_cast<double>(tokens) : 0; }
  double perplexity() const;
  Score& operator+=(const Score& other);
};

/// Scores every token but the first, given those before it in its window of `seq_length` tokens.
Score score_tokens(const model::CausalLm& model, std::span<const data::TokenId> ids, int64_t seq_length);

/// Scores `ids` in one window where `labels`, one for each id and not shifted, is not data::kIgnoredLabel; `weights` are one
/// for each id, or none where all weigh 1.
Score score_labels(const model::CausalLm& model, std::span<const data::TokenId> ids, std::span<const data::TokenId> labels,
                   std::span<const float> weights);

}  // namespace ingot::train
