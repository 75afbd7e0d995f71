#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "ops/attention.h"
#include "ops/block_attention.h"

namespace ingot::ops {

/// Causal attention with a window or ALiBi. Goes over blocks of queries and, of each, the keys that they see, so that
/// never more than a few MiB of scores exist and keys before a window cost nothing. Products are fp32.
///   q        [batch, seq, heads, head_dim]
///   k, v     [batch, keys, kv_heads, head_dim]; the queries are the last of them
///   returns  like q; and [batch, heads, seq] float32: log of the sum of e^score of each row
std::tuple<at::Tensor, at::Tensor> biased_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                                    const AttentionOptions& options);

/// Its gradients; the scores are made again from q, k and `log_sum`.
///   d_out, q, out  [batch, seq, heads, head_dim]
///   k, v           [batch, keys, kv_heads, head_dim]
///   log_sum        [batch, heads, seq]  float32
///   returns        like q, k, v
AttentionGradients biased_attention_backward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, const at::Tensor& out, const at::Tensor& log_sum,
                                             const AttentionOptions& options);

}  // namespace ingot::ops
