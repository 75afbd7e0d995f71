#include "workflows/scoring.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace ingot::workflows {
namespace {

at::Tensor to_tensor(std::span<const data::TokenId> ids) {
  return at::tensor(at::ArrayRef<data::TokenId>(ids.data(), ids.size())).to(at::kLong).unsqueeze(0);  // [1, seq]
}

}  // namespace

double Score::perplexity() const { return std::exp(mean()); }

Score score_tokens(const model::CausalLm& model, std::span<const data::TokenId> ids, int64_t seq_length) {
  const at::NoGradGuard no_grad;
  Score score;
  const auto window = static_cast<size_t>(seq_length);
  for (size_t begin = 0; begin + 1 < ids.size(); begin += window) {
    const size_t length = std::min(window, ids.size() - 1 - begin);
    const at::Tensor tokens = to_tensor(ids.subspan(begin, length)), labels = to_tensor(ids.subspan(begin + 1, length));
    const at::Tensor positions = at::arange(static_cast<int64_t>(length), at::kLong).unsqueeze(0);
    score.loss_sum += model.loss_sum({tokens, positions, {}}, labels).item<double>();
    score.tokens += length;
  }
  return score;
}

}  // namespace ingot::workflows
