#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "ops/block_attention.h"

namespace ingot::ops {

/// ATen's blocked kernel on the CPU.
///   q        [batch, queries, heads, head_dim]
///   k, v     [batch, keys, kv_heads, head_dim]; causal: as many as queries
///   returns  out like q, and [batch, heads, queries] float32: log of the sum of e^score of each row
std::tuple<at::Tensor, at::Tensor> flash_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool is_causal);

/// Its gradients, of keys that may be a part of those that `out` and `log_sum` are of.
AttentionGradients flash_attention_backward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                            const at::Tensor& out, const at::Tensor& log_sum, bool is_causal);

/// [batch, seq, kv_heads, head_dim] with every key/value head written once for each query head that reads it.
at::Tensor expand_heads(const at::Tensor& x, int64_t heads);

}  // namespace ingot::ops
