#include "train/scoring.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "data/shards/batch.h"

namespace ingot::train {
namespace {

constexpr int64_t kRowsAtOnce = 256;  // logits made at a time

at::Tensor to_tensor(std::span<const data::TokenId> ids) {
  return at::tensor(at::ArrayRef<data::TokenId>(ids.data(), ids.size())).to(at::kLong).unsqueeze(0);  // [1, seq]
}

/// Rows [rows, hidden] whose likeliest token is the label.
uint64_t count_correct(const at::Tensor& hidden, const model::Head& head, const at::Tensor& labels) {
  int64_t correct = 0;
  for (int64_t begin = 0; begin < hidden.size(0); begin += kRowsAtOnce) {
    const int64_t length = std::min(kRowsAtOnce, hidden.size(0) - begin);
    const at::Tensor likeliest = head.logits(hidden.narrow(0, begin, length)).argmax(-1);
    correct += likeliest.eq(labels.narrow(0, begin, length)).sum().item<int64_t>();
  }
  return static_cast<uint64_t>(correct);
}

/// The score of shifted labels, `seq` of them, in one window.
Score score_window(const model::CausalLm& model, std::span<const data::TokenId> ids, std::span<const data::TokenId> next,
                   std::span<const float> weights) {
  const at::NoGradGuard no_grad;
  const at::Tensor labels = to_tensor(next).flatten();
  const at::Tensor places = labels.ne(data::kIgnoredLabel).nonzero().flatten();
  if (places.numel() == 0) return {};
  const at::Tensor positions = at::arange(static_cast<int64_t>(ids.size()), at::kLong).unsqueeze(0);
  const at::Tensor hidden = model.hidden({to_tensor(ids), positions, {}}).states.flatten(0, 1).index_select(0, places);
  const at::Tensor wanted = labels.index_select(0, places);
  at::Tensor of_wanted;  // [places]
  if (!weights.empty()) of_wanted = at::tensor(at::ArrayRef<float>(weights.data(), weights.size())).index_select(0, places);
  const auto head = model.head();
  return {head.cross_entropy(hidden, {wanted, of_wanted}).item<double>(), static_cast<uint64_t>(places.numel()),
          count_correct(hidden, head, wanted)};
}

}  // namespace

double Score::perplexity() const { return std::exp(mean()); }

Score& Score::operator+=(const Score& other) {
  loss_sum += other.loss_sum, tokens += other.tokens, correct += other.correct;
  return *this;
}

Score score_tokens(const model::CausalLm& model, std::span<const data::TokenId> ids, int64_t seq_length) {
  Score score;
  const auto window = static_cast<size_t>(seq_length);
  for (size_t begin = 0; begin + 1 < ids.size(); begin += window) {
    const size_t length = std::min(window, ids.size() - 1 - begin);
    score += score_window(model, ids.subspan(begin, length), ids.subspan(begin + 1, length), {});
  }
  return score;
}

Score score_labels(const model::CausalLm& model, std::span<const data::TokenId> ids, std::span<const data::TokenId> labels,
                   std::span<const float> weights) {
  if (ids.size() < 2) return {};
  return score_window(model, ids.first(ids.size() - 1), labels.subspan(1), weights.empty() ? weights : weights.subspan(1));
}

}  // namespace ingot::train
