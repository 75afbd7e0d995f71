#pragma once

#include <ATen/core/Tensor.h>

#include "ops/linear.h"
#include "ops/linear_cross_entropy.h"

namespace ingot::model {

/// The last matrix product, from hidden states to logits, and what an adapter adds to it.
struct Head {
  at::Tensor matrix;  // [vocab, hidden]; its rows are of unit length where the family's head is normalised
  ops::LowRank adapter = {};

  /// states [..., hidden] to logits [..., vocab]; nothing is dropped.
  at::Tensor logits(const at::Tensor& states) const;
  /// Sum of the labels' cross entropies, [] float32; see ops/linear_cross_entropy.h.
  ///   states        [tokens, hidden]
  ///   dropout_keys  [tokens] int64, or undefined
  at::Tensor cross_entropy(const at::Tensor& states, const ops::Labels& labels, const ops::RowKeys& dropout_keys = {}) const;
};

}  // namespace ingot::model
