#pragma once

#include <functional>
#include <memory>

#include "model/causal_lm.h"
#include "train/data_source.h"

namespace ingot::train {

/// Two layers, hidden 32, 4 heads on 2 KV heads, vocabulary 64, tied head unless told otherwise.
model::DecoderConfig tiny_config(bool tied = true);

/// That model with values from the seed.
std::unique_ptr<model::CausalLm> tiny_llama(at::ScalarType dtype = at::kFloat, uint64_t seed = 3, bool tied = true);

/// stories260K with its trained weights where its folder is, else tiny_llama.
std::unique_ptr<model::CausalLm> stories_or_tiny(at::ScalarType dtype);

/// Labels of a row that count.
using LabelCount = std::function<int64_t(uint64_t row)>;

/// An endless epoch of `num_rows` rows of 16 random tokens below 64; row r counts its first label_count(r) labels, all
/// when there is no function. Sample index i gives row i % num_rows.
DataSource random_rows(uint64_t num_rows, LabelCount label_count = {});

/// Copies of all parameters' values.
std::vector<at::Tensor> copy_weights(const model::CausalLm& model);

/// True when every tensor, of one or more dims, has the same bits.
bool same_bits(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b);

}  // namespace ingot::train
