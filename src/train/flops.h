#pragma once

#include <cstdint>

#include "data/shards/batch.h"
#include "model/causal_lm.h"

namespace ingot::train {

/// Elements of the matrices that every token is multiplied with: all of two or more dims, the output projection
/// counted once and the embedding lookup not at all; of a mixture as many experts as a token goes through.
int64_t num_matmul_parameters(const model::CausalLm& model);

/// Tokens of the rows without padding: in each row those up to the last label that counts.
uint64_t num_tokens(const data::Batch& batch);

/// Model FLOPs of forward and backward over the batch, recomputation and padding not counted:
///   6 * N * T + 12 * layers * (heads * head_dim) * sum over segments of length^2 / 2
/// with N = num_matmul_parameters and T = num_tokens: two for each multiply-add, once forward and twice backward, but
/// once for a frozen matrix, which needs no gradient; attention has two products per query and key and sees half of
/// them. Rows of one segment of S give S * T / 2.
double model_flops(const model::CausalLm& model, const data::Batch& batch);

}  // namespace ingot::train
