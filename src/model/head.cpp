#include "model/head.h"

#include <ATen/ATen.h>

#include "ops/unit_rows.h"
#include "parallel/tensor_parallel.h"

namespace ingot::model {

at::Tensor Head::logits(const at::Tensor& states) const {
  return values->around([this](const at::Tensor& x) { return std::vector{own_logits(x)}; }, states)[0];
}

at::Tensor Head::cross_entropy(const at::Tensor& states, const ops::Labels& labels, const ops::RowKeys& dropout_keys) const {
  return values->around([&](const at::Tensor& x) { return std::vector{own_cross_entropy(x, labels, dropout_keys)}; }, states)[0];
}

ops::VocabularyPart Head::vocabulary_part() const {
  const auto gather = [ranks = ranks](const at::Tensor& own) {
    auto all = at::empty({ranks->size() * own.size(0), own.size(1)}, own.options());
    ranks->all_gather(all, own);
    return all.view({ranks->size(), own.size(0), own.size(1)});
  };
  return {.first = ranks->rank() * matrix.size(0), .parts = ranks->size(), .gather = gather};
}

at::Tensor Head::rows() const { return unit_rows ? ops::unit_rows(matrix) : matrix; }

at::Tensor Head::own_logits(const at::Tensor& states) const {
  const auto own = at::linear(states, rows());
  if (!adapter.defined()) return parallel::joined_over_ranks(own, *ranks);
  return parallel::joined_over_ranks(own + at::linear(at::linear(states, adapter.a) * adapter.scale, adapter.b), *ranks);
}

at::Tensor Head::own_cross_entropy(const at::Tensor& states, const ops::Labels& labels, const ops::RowKeys& dropout_keys) const {
  ops::AddedLogits added;
  if (adapter.defined()) {
    const auto inner = ops::linear(ops::dropped(states, dropout_keys, adapter.dropout), adapter.a, {});  // [tokens, rank]
    added = {inner * adapter.scale, adapter.b};
  }
  if (ranks->size() == 1) return ops::linear_cross_entropy(states, rows(), labels, added);
  return ops::linear_cross_entropy_of_part(states, rows(), labels, added, vocabulary_part());
}

}  // namespace ingot::model
