#pragma once

#include <ATen/core/Tensor.h>

#include "model/sharded_values.h"
#include "ops/linear.h"
#include "ops/linear_cross_entropy.h"
#include "parallel/communicator.h"

namespace ingot::model {

/// The last matrix product, from hidden states to logits, and what an adapter adds to it.
struct Head {
  at::Tensor matrix;  // [vocab of this rank, hidden]
  bool unit_rows = false;  // each row is divided by its length
  ops::LowRank adapter = {};
  parallel::Communicator* ranks = &parallel::only_rank();  // each has some rows of the matrix, and all get the whole result
  const ValueUnit* values = &ValueUnit::none();  // of the matrix, where it is sharded

  /// states [..., hidden], the same on all ranks, to logits [..., vocab]; nothing is dropped.
  at::Tensor logits(const at::Tensor& states) const;
  /// Sum of the labels' cross entropies, [] float32; see ops/linear_cross_entropy.h. The gradient of the states is this rank's term of it.
  ///   states        [tokens, hidden]
  ///   dropout_keys  [tokens] int64, or undefined
  at::Tensor cross_entropy(const at::Tensor& states, const ops::Labels& labels, const ops::RowKeys& dropout_keys = {}) const;

  /// The rows of the vocabulary that the matrix has, and how this rank meets the others.
  ops::VocabularyPart vocabulary_part() const;

 private:
  at::Tensor rows() const;
  at::Tensor own_logits(const at::Tensor& states) const;
  at::Tensor own_cross_entropy(const at::Tensor& states, const ops::Labels& labels, const ops::RowKeys& dropout_keys) const;
};

}  // namespace ingot::model
