#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

struct AttentionGradients {
  at::Tensor d_q, d_k, d_v;
};

/// True when block_attention_backward has a kernel here: the CPU multiplies blocks of bfloat16 in hardware, and LibTorch passes them on.
bool has_block_attention();

/// Gradients of causal attention in bfloat16, block by block: the scores of 128 queries and keys are made again from q,
/// k and the forward pass's `log_sum`, used while they are in the cache, and never written out.
///   d_out, q, out  [batch, seq, heads, head_dim]     bfloat16, contiguous
///   k, v           [batch, seq, kv_heads, head_dim]  bfloat16, contiguous
///   log_sum        [batch, heads, seq]               float32: log of the sum of e^score of each row
///   returns        like q, k, v
/// Source: Dao 2023, FlashAttention-2, algorithm 2.
AttentionGradients block_attention_backward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k,
                                            const at::Tensor& v, const at::Tensor& out, const at::Tensor& log_sum);

}  // namespace ingot::ops
