#include "workflows/sampling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "core/stop.h"

namespace ingot::workflows {
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

bool ends_inside_character(const std::string& text) { return text.ends_with("\xEF\xBF\xBD"); }  // U+FFFD

}  // namespace

data::TokenId pick_token(const at::Tensor& logits, const SamplingOptions& options, uint64_t position) {
  if (options.temperature == 0) return static_cast<data::TokenId>(logits.argmax().item<int64_t>());
  const at::Tensor values = logits.to(at::kFloat).contiguous();
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
                                         const SamplingOptions& options,
                                         const std::function<void(data::TokenId)>& on_token) {
  const at::NoGradGuard no_grad;
  model::KeyValueCache cache;
  std::vector<int64_t> input(prompt.begin(), prompt.end());
  std::vector<data::TokenId> made;
  while (static_cast<int64_t>(made.size()) < options.max_new_tokens && !stop_requested()) {
    const at::Tensor logits = model.logits_cached(at::tensor(input, at::kLong).unsqueeze(0), cache);
    made.push_back(pick_token(logits[0][-1], options, made.size()));
    on_token(made.back());
    if (std::find(options.stop_ids.begin(), options.stop_ids.end(), made.back()) != options.stop_ids.end()) break;
    input = {made.back()};
  }
  return made;
}

TextStream::TextStream(const data::Tokenizer& tokenizer, std::span<const data::TokenId> prompt)
    : tokenizer_(tokenizer), ids_(prompt.begin(), prompt.end()) {
  if (!ids_.empty() && ids_[0] == tokenizer.bos_id()) ids_.erase(ids_.begin());
  shown_ = tokenizer_.decode(ids_).size();
}

std::string TextStream::add(data::TokenId token) {
  ids_.push_back(token);
  const std::string text = tokenizer_.decode(ids_);
  if (ends_inside_character(text) || text.size() <= shown_) return "";
  return text.substr(std::exchange(shown_, text.size()));
}

std::string TextStream::finish() {
  const std::string text = tokenizer_.decode(ids_);
  return text.size() <= shown_ ? "" : text.substr(std::exchange(shown_, text.size()));
}

}  // namespace ingot::workflows
