#include "train/flops.h"

#include <algorithm>

namespace ingot::train {
namespace {

/// Tokens of one row up to the last label that counts.
int64_t row_tokens(const data::Batch& batch, int64_t row) {
  const auto begin = batch.labels.begin() + row * batch.seq_length;
  int64_t length = batch.seq_length;
  while (length > 0 && begin[length - 1] == data::kIgnoredLabel) --length;
  return length;
}

/// Half the squared length of the part of [begin, end) that is not padding; all of it lies in one row.
double causal_pairs(const data::Batch& batch, int64_t begin, int64_t end) {
  const int64_t row = begin / batch.seq_length;
  const int64_t last = std::min(end, row * batch.seq_length + row_tokens(batch, row));
  const auto length = static_cast<double>(std::max<int64_t>(0, last - begin));
  return length * length / 2;
}

double causal_pairs(const data::Batch& batch) {
  double pairs = 0;
  if (batch.segment_starts.empty())
    for (int64_t row = 0; row < batch.rows; ++row)
      pairs += causal_pairs(batch, row * batch.seq_length, (row + 1) * batch.seq_length);
  for (size_t i = 0; i + 1 < batch.segment_starts.size(); ++i)
    pairs += causal_pairs(batch, batch.segment_starts[i], batch.segment_starts[i + 1]);
  return pairs;
}

/// Elements of the matrices that every token is multiplied with, of all or only of the frozen parameters.
int64_t matmul_elements(const model::CausalLm& model, bool frozen_only) {
  const auto& config = model.config;
  const auto counts = [&](const model::Parameter& parameter) {
    return parameter.shape.size() >= 2 && !(frozen_only && parameter.trainable);
  };
  int64_t elements = 0, of_experts = 0;
  for (const auto& parameter : model.parameters.parameters)
    if (counts(*parameter))
      (parameter->name.find(".experts.") == std::string::npos ? elements : of_experts) += num_elements(parameter->shape).value();
  if (config.num_experts > 0) elements += of_experts / config.num_experts * config.experts_per_token;
  const bool has_table = !config.tie_word_embeddings && counts(*model.parameters.parameters.front());
  return elements - (has_table ? config.vocab_size * config.hidden_size : 0);
}

}  // namespace

int64_t num_matmul_parameters(const model::CausalLm& model) { return matmul_elements(model, false); }

uint64_t num_tokens(const data::Batch& batch) {
  int64_t tokens = 0;
  for (int64_t row = 0; row < batch.rows; ++row) tokens += row_tokens(batch, row);
  return static_cast<uint64_t>(tokens);
}

double model_flops(const model::CausalLm& model, const data::Batch& batch) {
  const auto& config = model.config;
  const auto weights = static_cast<double>(num_matmul_parameters(model)) -
                       static_cast<double>(matmul_elements(model, true)) / 3;  // no gradient of a frozen weight
  const auto width = static_cast<double>(config.num_layers * config.num_heads * config.head_dim);
  return 6.0 * weights * static_cast<double>(num_tokens(batch)) + 12.0 * width * causal_pairs(batch);
}

}  // namespace ingot::train
