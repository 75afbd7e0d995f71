#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "model/decoder_layer.h"
#include "ops/expert_rows.h"
#include "parallel/expert_parallel.h"

namespace ingot::model {
namespace {

/// The same for several uses, which is made once and let go with the last of them.
ops::Remake made_once(const ops::Remake& remake) {
  if (!remake) return {};
  return [remake, made = std::make_shared<at::Tensor>()] {
    if (!made->defined()) *made = remake();
    return *made;
  };
}

class Mixture : public FeedForward {
 public:
  Mixture(const ParameterScope& params, const LayerContext& context)
      : gate_(params.child("gate"), LayerKind::kRouter), choices_(context.config.experts_per_token), num_experts_(context.config.num_experts),
        ranks_(context.experts), num_own_(num_experts_ / ranks_.size()) {
    const auto expert = [&](int64_t i) { return params.child("experts").child(std::to_string(i)); };
    std::vector<std::unique_ptr<FeedForward>> all;
    for (int64_t i = 0; i < num_experts_; ++i) all.push_back(make_mlp(expert(i), context));
    const int64_t first = ranks_.rank() * num_own_;
    experts_.emplace_back(std::make_move_iterator(all.begin() + first), std::make_move_iterator(all.begin() + first + num_own_));
    for (int64_t rank = 1; rank < ranks_.size(); ++rank) {
      experts_.emplace_back();
      for (int64_t i = 0; i < num_own_; ++i) experts_.back().push_back(make_mlp(expert(first + i).of_leaf(static_cast<size_t>(rank)), context));
    }
  }

  LayerOutput forward(const RemakableInput& given, const Pass& pass) const override {
    const RemakableInput h{given.value, made_once(given.remake), given.dropout_keys};
    const auto router_logits = project(h, gate_).flatten(0, -2);  // [tokens, experts]
    const auto routing = ops::route(router_logits, choices_);
    const auto order = ops::order_by_expert(routing.experts, num_experts_);
    auto rows = ops::gather_rows(h.value.flatten(0, -2), order);
    const auto outs = ranks_.size() == 1 ? own_rows(h, rows, order, pass) : rows_of_ranks(h, std::move(rows), order, pass);
    return {ops::combine_rows(outs, routing.weights, order).view(h.value.sizes()), router_logits};
  }

 private:
  at::Tensor own_rows(const RemakableInput& h, const at::Tensor& all, const ops::ExpertOrder& order, const Pass& pass) const {
    const auto rows = all.split_with_sizes(order.counts), tokens = order.tokens.split_with_sizes(order.counts);
    std::vector<at::Tensor> outs;
    for (size_t expert = 0; expert < rows.size(); ++expert)
      outs.push_back(experts_[0][expert]->forward(part_of(h, rows[expert], tokens[expert]), pass).x);
    return at::cat(outs);
  }

  /// Rows go to the ranks that have their experts and come back. Those of each rank are products of their own, with gradients of their own: so
  /// their bits are those of a rank that has all experts. They are kept for the backward pass, as another rank's cannot be made again here.
  at::Tensor rows_of_ranks(const RemakableInput& h, at::Tensor rows, const ops::ExpertOrder& order, const Pass& pass) const {
    const auto own = at::tensor(order.counts, at::kLong).view({ranks_.size(), num_own_});
    const auto others = parallel::counts_to_ranks(own, ranks_);
    const auto sent = row_sums(own), received = row_sums(others);
    const auto here = parallel::rows_to_ranks(std::exchange(rows, {}), sent, received, ranks_).split_with_sizes(received);
    std::vector<at::Tensor> keys(here.size());
    if (h.dropout_keys.defined())
      keys = parallel::rows_to_ranks(h.dropout_keys.flatten().index_select(0, order.tokens), sent, received, ranks_).split_with_sizes(received);
    Pass kept = pass;
    kept.remake_inputs = false;
    std::vector<at::Tensor> outs;
    for (size_t rank = 0; rank < here.size(); ++rank) {
      const auto counts = counts_of(others[static_cast<int64_t>(rank)]);
      const auto parts = here[rank].split_with_sizes(counts);
      const auto part_keys = keys[rank].defined() ? keys[rank].split_with_sizes(counts) : std::vector<at::Tensor>(parts.size());
      for (size_t expert = 0; expert < parts.size(); ++expert)
        outs.push_back(experts_[rank][expert]->forward({parts[expert], {}, part_keys[expert]}, kept).x);
    }
    const auto joined = at::cat(std::exchange(outs, {}));
    return parallel::rows_to_ranks(joined, received, sent, ranks_);
  }

  static std::vector<int64_t> counts_of(const at::Tensor& counts) {
    const auto whole = counts.contiguous();
    return {whole.const_data_ptr<int64_t>(), whole.const_data_ptr<int64_t>() + whole.numel()};
  }
  static std::vector<int64_t> row_sums(const at::Tensor& counts) { return counts_of(counts.sum(1)); }

  /// An expert's rows of h, with the way to make them again where h has one.
  static RemakableInput part_of(const RemakableInput& h, const at::Tensor& rows, const at::Tensor& tokens) {
    RemakableInput part{rows, {}};
    if (h.remake)
      part.remake = [remake = h.remake, tokens] { return remake().flatten(0, -2).index_select(0, tokens); };
    if (h.dropout_keys.defined()) part.dropout_keys = h.dropout_keys.flatten().index_select(0, tokens);
    return part;
  }

  Projection gate_;
  int64_t choices_, num_experts_;
  parallel::Communicator& ranks_;  // that share the experts
  int64_t num_own_;                // experts of this rank
  std::vector<std::vector<std::unique_ptr<FeedForward>>> experts_;  // for the rows of each rank
};

}  // namespace

std::unique_ptr<FeedForward> make_mixture(const ParameterScope& params, const LayerContext& context) {
  return std::make_unique<Mixture>(params, context);
}

}  // namespace ingot::model
