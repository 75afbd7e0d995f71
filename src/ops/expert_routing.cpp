#include "ops/expert_routing.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace ingot::ops {
namespace {

/// Probabilities [rows, experts] and the experts chosen [rows, choices].
std::pair<at::Tensor, at::Tensor> choose(const at::Tensor& logits, int64_t choices) {
  const auto probabilities = at::softmax(logits.to(at::promote_types(logits.scalar_type(), at::kFloat)), -1);
  return {probabilities, std::get<1>(probabilities.detach().topk(choices))};
}

}  // namespace

Routing route(const at::Tensor& logits, int64_t choices) {
  TORCH_CHECK(logits.dim() == 2 && choices >= 1 && choices <= logits.size(1), "route: ", choices, " experts of logits ",
              logits.sizes());
  const auto [probabilities, experts] = choose(logits, choices);
  const auto chosen = probabilities.gather(1, experts);
  return {experts, chosen / chosen.sum(1, true)};
}

ExpertOrder order_by_expert(const at::Tensor& experts, int64_t num_experts) {
  TORCH_CHECK(experts.dim() == 2 && experts.scalar_type() == at::kLong, "order_by_expert: experts ", experts.sizes());
  const auto flat = experts.flatten();
  const auto rows = at::argsort(flat, /*stable=*/true, /*dim=*/0);
  const auto places = at::empty_like(rows).scatter_(0, rows, at::arange(rows.numel(), rows.options()));
  const auto counts = at::bincount(flat, {}, num_experts).to(at::kCPU).contiguous();
  TORCH_CHECK(counts.numel() == num_experts, "order_by_expert: expert ", counts.numel() - 1, " of ", num_experts);
  const auto* first = counts.const_data_ptr<int64_t>();
  return {rows.div(experts.size(1), "floor"), places.view(experts.sizes()), {first, first + num_experts}};
}

ExpertLoad add_expert_load(ExpertLoad load, const std::vector<at::Tensor>& logits, int64_t choices, const at::Tensor& counted) {
  TORCH_CHECK(!logits.empty() && counted.dim() == 1 && counted.size(0) == logits[0].size(0),
              "add_expert_load: ", logits.size(), " layers, counted ", counted.sizes());
  const int64_t num_experts = logits[0].size(1);
  const auto rows = counted.nonzero().squeeze(1);
  if (!load.probability.defined())
    load = {at::zeros({num_experts}, logits[0].options().dtype(at::kFloat)), at::zeros({num_experts}, rows.options())};
  for (const auto& layer : logits) {
    const auto [probabilities, experts] = choose(layer.index_select(0, rows), choices);
    load.probability = load.probability + probabilities.sum(0);
    load.tokens = load.tokens + at::bincount(experts.flatten(), {}, num_experts);
  }
  return load;
}

at::Tensor expert_balance(const ExpertLoad& load, int64_t counted_tokens, int64_t num_layers) {
  const auto total = static_cast<double>(std::max<int64_t>(1, counted_tokens * num_layers));
  const auto share = load.tokens.to(at::kFloat) / total;
  return (share * load.probability / total).sum() * load.tokens.numel();
}

}  // namespace ingot::ops
