#include "generate/sampling.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/random.h"
#include "core/stop.h"
#include "data/tokenizer/utf8.h"

namespace ingot::generate {
namespace {

/// Vocabulary sorted by falling logit, cut to the top k.
std::vector<int64_t> ranked(const float* logits, int64_t vocab, int64_t top_k) {
  std::vector<int64_t> order(static_cast<size_t>(vocab));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto keep = static_cast<std::ptrdiff_t>(top_k > 0 ? std::min(top_k, vocab) : vocab);
  std::partial_sort(order.begin(), order.begin() + keep, order.end(), [&](int64_t a, int64_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  order.resize(static_cast<size_t>(keep));
  return order;
}

/// Cuts `weights` behind the first that brings their sum to `share` of all; returns the sum kept.
double keep_share(std::vector<double>& weights, double share) {
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  double sum = 0;
  size_t kept = 0;
  while (kept < weights.size() && (kept == 0 || sum < share * all)) sum += weights[kept++];
  weights.resize(kept);
  return sum;
}

/// Logits, float32 and contiguous, with those of the tokens in `context` made less likely.
at::Tensor penalised(const at::Tensor& logits, std::span<const data::TokenId> context, double penalty) {
  const at::Tensor values = logits.to(at::kCPU, at::kFloat).contiguous();
  if (penalty == 1 || context.empty()) return values;
  const auto ids = at::tensor(at::ArrayRef<data::TokenId>(context.data(), context.size())).to(at::kLong);
  const auto seen = values.index_select(0, ids);
  return values.index_copy(0, ids, at::where(seen < 0, seen * penalty, seen / penalty));
}

/// Tokens that are waited for until they make a character: one of four bytes needs no more than that in bytes.
constexpr size_t kMostHeld = 8;

bool ends_inside_character(const std::string& text) { return text.ends_with("\xEF\xBF\xBD"); }  // U+FFFD

}  // namespace

data::TokenId pick_token(const at::Tensor& logits, const SamplingOptions& options, uint64_t position,
                         std::span<const data::TokenId> context) {
  const at::Tensor values = penalised(logits, context, options.repetition_penalty);
  if (options.temperature == 0) return static_cast<data::TokenId>(values.argmax().item<int64_t>());
  const float* data = values.const_data_ptr<float>();
  const auto order = ranked(data, values.numel(), options.top_k);
  std::vector<double> weights;
  for (const int64_t id : order) weights.push_back(std::exp((double{data[id]} - data[order[0]]) / options.temperature));
  const double sum = keep_share(weights, options.top_p);
  double rest = random_uniform(options.seed, random_stream::kGenerate, position) * sum;
  for (size_t i = 0; i < weights.size(); ++i)
    if ((rest -= weights[i]) < 0) return static_cast<data::TokenId>(order[i]);
  return static_cast<data::TokenId>(order[weights.size() - 1]);
}

std::vector<data::TokenId> sample_tokens(const model::CausalLm& model, std::span<const data::TokenId> prompt,
                                         const SamplingOptions& options, ReadTokens& read,
                                         const std::function<void(data::TokenId)>& on_token) {
  const at::NoGradGuard no_grad;
  const auto [end, unused] = std::mismatch(read.ids.begin(), read.ids.end(), prompt.begin(), prompt.end() - 1);
  read.ids.erase(end, read.ids.end());
  read.cache.length = static_cast<int64_t>(read.ids.size());
  std::vector<data::TokenId> fresh(prompt.begin() + read.cache.length, prompt.end()), made;
  while (static_cast<int64_t>(made.size()) < options.max_new_tokens && !stop_requested()) {
    const auto tokens = at::tensor(fresh, at::kInt).to(model.device, at::kLong);
    const at::Tensor logits = model.logits_cached(tokens.unsqueeze(0), read.cache);
    read.ids.insert(read.ids.end(), fresh.begin(), fresh.end());
    made.push_back(pick_token(logits[0][-1], options, made.size(), read.ids));
    on_token(made.back());
    if (std::find(options.stop_ids.begin(), options.stop_ids.end(), made.back()) != options.stop_ids.end()) break;
    fresh = {made.back()};
  }
  return made;
}

std::vector<data::TokenId> sample_tokens(const model::CausalLm& model, std::span<const data::TokenId> prompt,
                                         const SamplingOptions& options,
                                         const std::function<void(data::TokenId)>& on_token) {
  ReadTokens nothing;
  return sample_tokens(model, prompt, options, nothing, on_token);
}

void expect_known_ids(std::span<const data::TokenId> ids, int64_t vocab_size, const std::filesystem::path& folder) {
  for (const auto id : ids)
    if (id >= vocab_size)
      throw DataError(fmt::format("{}: the tokenizer gives id {}, the model has a vocabulary of {}", folder.string(), id,
                                  vocab_size));
}

TextStream::TextStream(const data::Tokenizer& tokenizer, std::span<const data::TokenId> prompt)
    : tokenizer_(tokenizer), window_(prompt.begin(), prompt.end()) {
  if (!window_.empty() && window_[0] == tokenizer.bos_id()) window_.erase(window_.begin());
  num_given_ = window_.size();
  bytes_given_ = tokenizer_.decode(window_).size();
}

std::string TextStream::add(data::TokenId token) {
  window_.push_back(token);
  const std::string text = tokenizer_.decode(window_);
  const bool held = ends_inside_character(text) && window_.size() - num_given_ < kMostHeld;
  return held || text.size() <= bytes_given_ ? "" : give(text);
}

std::string TextStream::finish() {
  const std::string text = tokenizer_.decode(window_);
  return text.size() <= bytes_given_ ? "" : give(text);
}

/// What is new in `text`. The tokens before those just given no longer matter where these alone make a text: the next
/// ones are written behind a text in either case.
std::string TextStream::give(const std::string& text) {
  while (bytes_given_ < text.size() && data::is_utf8_tail(text[bytes_given_])) ++bytes_given_;  // what was given changed
  std::string added = text.substr(std::exchange(bytes_given_, text.size()));
  const std::vector<data::TokenId> last(window_.begin() + static_cast<std::ptrdiff_t>(num_given_), window_.end());
  num_given_ = window_.size();
  const std::string alone = tokenizer_.decode(last);
  if (alone.empty() || ends_inside_character(alone)) return added;
  window_ = last;
  num_given_ = window_.size();
  bytes_given_ = alone.size();
  return added;
}

}  // namespace ingot::generate
