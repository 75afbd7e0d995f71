#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
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

/// Which part of the vocabulary a rank holds, where several have one each.
struct VocabularyPart {
  int64_t first = 0;  // the token of the weight's first row
  int64_t parts = 1;  // each of as many rows
  /// A tensor [rows, 3] of each part, of this and the others': [parts, rows, 3].
  std::function<at::Tensor(const at::Tensor& own)> gather = {};
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

/// The same where `weight` and `added.b` hold the rows of `part` alone. The softmax is made of every part's largest logit and sum of
/// exponentials, in the order of the parts: all get the same loss, and the gradient of `hidden` is this part's term of the whole.
at::Tensor linear_cross_entropy_of_part(const at::Tensor& hidden, const at::Tensor& weight, const Labels& labels,
                                        const AddedLogits& added, const VocabularyPart& part);

/// Plain reference of linear_cross_entropy: the whole logits, log_softmax and nll_loss.
at::Tensor linear_cross_entropy_composite(const at::Tensor& hidden, const at::Tensor& weight, const Labels& labels,
                                          const AddedLogits& added = {});

}  // namespace ingot::ops
