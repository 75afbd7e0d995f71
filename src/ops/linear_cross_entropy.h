#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

namespace ingot::ops {

/// What is added to the logits, inner * bᵀ: of an adapter on the head. Both undefined: nothing.
///   inner  [tokens, rank]
///   b      [vocab, rank]
struct AddedLogits {
  at::Tensor inner, b;
};

/// What the logits are compared with.
///   ids      [tokens]  int64; -100 does not count
///   weights  [tokens]  float32, what each cross entropy is multiplied with; undefined: 1
struct Labels {
  Labels(at::Tensor ids, at::Tensor weights = {}) : ids(std::move(ids)), weights(std::move(weights)) {}
  at::Tensor ids, weights;
};

/// Weighted sum of the cross entropies of softmax(hidden * weightᵀ + added) against the labels. Works in
/// chunks of rows, never holds the whole logits; softmax and sum are fp32 or better. Gradients of `hidden`, `weight` and
/// `added` are made in the forward pass, while a chunk's logits are at hand, and scaled in the backward pass. The loss does
/// not depend on the number of threads; the last bits of the gradients may, as ATen splits sums over a long vocabulary.
///   hidden   [tokens, hidden]
///   weight   [vocab, hidden]
///   returns  []  float32
at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const Labels& labels,
                                const AddedLogits& added = {});

/// Plain reference of linear_cross_entropy: the whole logits, log_softmax and nll_loss.
at::Tensor linear_cross_entropy_composite(const at::Tensor& hidden, const at::Tensor& weight, const Labels& labels,
                                          const AddedLogits& added = {});

}  // namespace ingot::ops
