#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// Sum of the cross entropies of softmax(hidden * weightᵀ) against the labels, over labels that are not -100. Works in
/// chunks of rows, never holds the whole logits; softmax and sum are fp32 or better. Gradients of `hidden` and `weight`
/// are made in the forward pass, while a chunk's logits are at hand, and scaled in the backward pass. The loss does not
/// depend on the number of threads; the last bits of the gradients may, as ATen splits sums over a long vocabulary.
///   hidden   [tokens, hidden]
///   weight   [vocab, hidden]
///   labels   [tokens]  int64
///   returns  []  float32
at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& labels);

/// Plain reference of linear_cross_entropy: the whole logits, log_softmax and nll_loss.
at::Tensor linear_cross_entropy_composite(const at::Tensor& hidden, const at::Tensor& weight,
                                          const at::Tensor& labels);

}  // namespace ingot::ops
