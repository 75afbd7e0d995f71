#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ingot::ops {

/// Where each token of a mixture of experts goes. Source: MODELS §2 C.
struct Routing {
  at::Tensor experts;  // [tokens, choices]  int64, the most probable first
  at::Tensor weights;  // [tokens, choices]  float32, each row sums to 1; carries the gradient to the logits
};

/// Softmax of the logits in float32, the `choices` largest of each row, divided by their sum. The gradient goes through
/// the probabilities and their sum, not through the choice.
///   logits  [tokens, experts]  any float dtype; in float64 all is float64
Routing route(const at::Tensor& logits, int64_t choices);

/// The choices of all tokens as rows in the order of their experts; within an expert in the order of the tokens.
struct ExpertOrder {
  at::Tensor tokens;            // [tokens * choices]  int64, the token of each row
  at::Tensor places;            // [tokens, choices]   int64, the row of each choice
  std::vector<int64_t> counts;  // rows of each expert
};

/// `experts` as in Routing, each below `num_experts`.
ExpertOrder order_by_expert(const at::Tensor& experts, int64_t num_experts);

/// What the layers so far bring to their experts.
struct ExpertLoad {
  at::Tensor probability;  // [experts]  float32: sum over tokens and layers; carries the gradient
  at::Tensor tokens;       // [experts]  int64: choices of each expert
};

/// `before`, undefined before the first layer, with further layers added one after another. `logits` holds each layer's [tokens, experts];
/// `counted` [tokens] bool is false for padding, which is left out.
ExpertLoad add_expert_load(ExpertLoad before, const std::vector<at::Tensor>& logits, int64_t choices, const at::Tensor& counted);

/// How evenly tokens are spread over experts, over all layers together, [] float32: experts * sum over experts of (choices of it per token) *
/// (its mean probability), which is the number of choices at perfect balance. Only the probability carries a gradient. `counted_tokens` went
/// through each of `num_layers` layers; where there are none the loss is 0. Sources: Fedus et al. 2021; MODELS §2 C.
at::Tensor expert_balance(const ExpertLoad& load, int64_t counted_tokens, int64_t num_layers);

}  // namespace ingot::ops
