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

/// How evenly tokens are spread over experts, over all layers together. Sources: Fedus et al. 2021; MODELS §2 C.
struct ExpertBalance {
  at::Tensor loss;    // [] float32: experts * sum over experts of (choices of it per token) * (its mean probability);
                      // `choices` at perfect balance. Only the probability carries a gradient.
  at::Tensor tokens;  // [experts]  int64: choices of each expert, over all layers
};

/// `logits` holds each layer's [tokens, experts]; `counted` [tokens] bool is false for padding, which is left out. With
/// no token counted the loss is 0.
ExpertBalance expert_balance(const std::vector<at::Tensor>& logits, int64_t choices, const at::Tensor& counted);

}  // namespace ingot::ops
