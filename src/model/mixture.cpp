#include <ATen/ATen.h>

#include "model/decoder_layer.h"
#include "ops/expert_rows.h"

namespace ingot::model {
namespace {

class Mixture : public FeedForward {
 public:
  Mixture(const ParameterScope& params, const LayerContext& context)
      : gate_(params.child("gate"), LayerKind::kRouter), choices_(context.config.experts_per_token) {
    for (int64_t expert = 0; expert < context.config.num_experts; ++expert)
      experts_.push_back(make_mlp(params.child("experts").child(std::to_string(expert)), context));
  }

  LayerOutput forward(const RemakableInput& h, const Pass& pass) const override {
    const auto router_logits = project(h, gate_).flatten(0, -2);  // [tokens, experts]
    const auto routing = ops::route(router_logits, choices_);
    const auto order = ops::order_by_expert(routing.experts, static_cast<int64_t>(experts_.size()));
    const auto rows = ops::gather_rows(h.value.flatten(0, -2), order).split_with_sizes(order.counts);
    const auto tokens = order.tokens.split_with_sizes(order.counts);
    std::vector<at::Tensor> outs;
    for (size_t expert = 0; expert < experts_.size(); ++expert)
      outs.push_back(experts_[expert]->forward(part_of(h, rows[expert], tokens[expert]), pass).x);
    const auto mixed = ops::combine_rows(at::cat(outs), routing.weights, order);  // [tokens, hidden]
    return {mixed.view(h.value.sizes()), router_logits};
  }

 private:
  /// An expert's rows of h, with the way to make them again where h has one.
  static RemakableInput part_of(const RemakableInput& h, const at::Tensor& rows, const at::Tensor& tokens) {
    RemakableInput part{rows, {}};
    if (h.remake)
      part.remake = [remake = h.remake, tokens] { return remake().flatten(0, -2).index_select(0, tokens); };
    if (h.dropout_keys.defined()) part.dropout_keys = h.dropout_keys.flatten().index_select(0, tokens);
    return part;
  }

  Projection gate_;
  std::vector<std::unique_ptr<FeedForward>> experts_;
  int64_t choices_;
};

}  // namespace

std::unique_ptr<FeedForward> make_mixture(const ParameterScope& params, const LayerContext& context) {
  return std::make_unique<Mixture>(params, context);
}

}  // namespace ingot::model
