#include "train/model_input.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ingot::train {
namespace {

/// Values of a batch as `Element`s of a tensor [rows, seq_length].
template <class Element = int64_t, class Value>
at::Tensor to_tensor(const std::vector<Value>& values, const data::Batch& batch, const at::Device& device) {
  at::Tensor tensor = at::empty({batch.rows, batch.seq_length}, c10::CppTypeToScalarType<Element>::value);
  TORCH_CHECK(tensor.numel() == static_cast<int64_t>(values.size()), "a batch of ", batch.rows, " rows of ",
              batch.seq_length, " holds ", values.size(), " values");
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<Element>());
  return tensor.to(device);
}

}  // namespace

LabelledInput to_model_input(const data::Batch& batch, const model::CausalLm& model) {
  const at::Device device = model.device;
  return {.input = {.tokens = to_tensor(batch.tokens, batch, device),
                    .positions = to_tensor(batch.positions, batch, device),
                    .segment_starts = batch.segment_starts},
          .labels = {to_tensor(batch.labels, batch, device),
                     batch.weights.empty() ? at::Tensor() : to_tensor<float>(batch.weights, batch, device)}};
}

}  // namespace ingot::train
