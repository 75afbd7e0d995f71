#include "train/model_input.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "parallel/context_parallel.h"

namespace ingot::train {
namespace {

/// Values of a batch as `Element`s of a tensor [rows, seq_length].
template <class Element = int64_t, class Value>
at::Tensor to_tensor(const std::vector<Value>& values, const data::Batch& batch) {
  at::Tensor tensor = at::empty({batch.rows, batch.seq_length}, c10::CppTypeToScalarType<Element>::value);
  TORCH_CHECK(tensor.numel() == static_cast<int64_t>(values.size()), "a batch of ", batch.rows, " rows of ",
              batch.seq_length, " holds ", values.size(), " values");
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<Element>());
  return tensor;
}

}  // namespace

LabelledInput to_model_input(const data::Batch& batch, const model::CausalLm& model, const at::Tensor& dropout_keys) {
  const parallel::TokenCut cut{model.context->size(), model.context->rank()};
  const auto own = [&](const at::Tensor& whole) { return cut.own(whole).to(model.device); };
  const auto labels = to_tensor(batch.labels, batch), counted = model.counted(labels);
  LabelledInput rows{.input = {.tokens = own(to_tensor(batch.tokens, batch)),
                               .positions = own(to_tensor(batch.positions, batch)),
                               .segment_starts = batch.segment_starts},
                     .labels = {own(labels), batch.weights.empty() ? at::Tensor() : own(to_tensor<float>(batch.weights, batch))}};
  if (counted.defined()) rows.input.counted = own(counted).flatten();
  if (dropout_keys.defined()) rows.input.dropout_keys = cut.own(dropout_keys);
  return rows;
}

}  // namespace ingot::train
