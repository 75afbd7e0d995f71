#include "model/head.h"

#include <ATen/ATen.h>

namespace ingot::model {

at::Tensor Head::logits(const at::Tensor& states) const {
  const auto logits = at::linear(states, matrix);
  if (!adapter.defined()) return logits;
  return logits + at::linear(at::linear(states, adapter.a) * adapter.scale, adapter.b);
}

at::Tensor Head::cross_entropy(const at::Tensor& states, const ops::Labels& labels, const ops::RowKeys& dropout_keys) const {
  if (!adapter.defined()) return ops::linear_cross_entropy(states, matrix, labels);
  const auto inner = ops::linear(ops::dropped(states, dropout_keys, adapter.dropout), adapter.a, {});  // [tokens, rank]
  return ops::linear_cross_entropy(states, matrix, labels, {inner * adapter.scale, adapter.b});
}

}  // namespace ingot::model
