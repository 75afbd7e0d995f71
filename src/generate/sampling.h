#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "model/causal_lm.h"

namespace ingot::generate {

struct SamplingOptions {
  int64_t max_new_tokens = 128, top_k = 0;  // top_k 0: all
  double temperature = 0, top_p = 1;        // temperature 0: the likeliest token
  double repetition_penalty = 1;            // of tokens that were read or made: divides a logit above 0, multiplies one below
  uint64_t seed = 0;
  std::vector<data::TokenId> stop_ids;      // sampling ends behind one of these
};

/// Chooses the next token behind `context`: repetition penalty, temperature, top-k, top-p, then one draw that depends on
/// (seed, position) alone. Source of the penalty: Keskar et al. 2019, as transformers' RepetitionPenaltyLogitsProcessor has it.
///   logits  [vocab]  any float dtype
data::TokenId pick_token(const at::Tensor& logits, const SamplingOptions& options, uint64_t position,
                         std::span<const data::TokenId> context = {});

/// Tokens that a model has read, with their keys and values: of a text that begins with them only the rest is read.
struct ReadTokens {
  std::vector<data::TokenId> ids;
  model::KeyValueCache cache;
};

/// Continues `prompt` (at least one token) with a key/value cache; calls `on_token` for each new token and returns them.
/// `read` is brought up to what was read. Ends early when core/stop.h asks.
std::vector<data::TokenId> sample_tokens(const model::CausalLm& model, std::span<const data::TokenId> prompt,
                                         const SamplingOptions& options, ReadTokens& read,
                                         const std::function<void(data::TokenId)>& on_token);

/// The same with nothing read before.
std::vector<data::TokenId> sample_tokens(const model::CausalLm& model, std::span<const data::TokenId> prompt,
                                         const SamplingOptions& options,
                                         const std::function<void(data::TokenId)>& on_token);

/// Throws DataError naming the folder when the tokenizer gave an id that the model has no embedding for.
void expect_known_ids(std::span<const data::TokenId> ids, int64_t vocab_size, const std::filesystem::path& folder);

/// Text of new tokens piece by piece: holds bytes back until they make whole characters, and knows that a tokenizer may
/// write a token differently behind others. The work for a token does not grow with the text before it.
class TextStream {
 public:
  TextStream(const data::Tokenizer& tokenizer, std::span<const data::TokenId> prompt);
  /// What `token` adds to the text; may be empty.
  std::string add(data::TokenId token);
  /// Text held back at the end.
  std::string finish();

 private:
  std::string give(const std::string& text);
  const data::Tokenizer& tokenizer_;
  std::vector<data::TokenId> window_;  // the tokens given out last, and those held back
  size_t num_given_, bytes_given_;     // of the window, given out
};

}  // namespace ingot::generate
