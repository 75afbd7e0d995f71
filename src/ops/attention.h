#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ingot::ops {

/// What changes the scores of causal attention; nothing by default.
struct AttentionOptions {
  int64_t window = 0;                // newest keys that a query sees, its own among them; 0: all of its segment
  std::vector<double> alibi_slopes;  // [heads]: slope * (key - query) is added to a scaled score; empty: nothing
};

/// Causal softmax attention with grouped key/value heads: query head j reads key/value head j / (heads/kv_heads).
/// Scores are scaled by 1/sqrt(head_dim) and accumulated in fp32.
///   q              [batch, seq, heads, head_dim]
///   k, v           [batch, seq, kv_heads, head_dim]
///   segment_starts ascending starts of segments in the flattened [batch * seq], first 0, last batch * seq;
///                  attention never crosses a segment. Empty: every row is one segment.
///   returns        [batch, seq, heads, head_dim]
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& segment_starts, const AttentionOptions& options = {});

/// Tokens [begin, end) of every row.
struct RowPiece {
  int64_t begin, end;
};

/// causal_attention of the queries of some pieces of the rows alone, over the keys of whole rows. What a piece's own keys give and what those
/// before it give is put together by their sums of e^score. Source: Dao 2023 (FlashAttention-2, section 3.1).
///   q        [batch, tokens of all pieces, heads, head_dim]  the pieces one after another
///   returns  like q
at::Tensor causal_attention_of_pieces(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<RowPiece>& pieces,
                                      const std::vector<int64_t>& segment_starts, const AttentionOptions& options = {});

/// Whether the options change something within a segment of this length.
bool is_biased(const AttentionOptions& options, int64_t length);

/// Plain reference of causal_attention: the masked score matrix written out.
at::Tensor causal_attention_composite(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      const std::vector<int64_t>& segment_starts, const AttentionOptions& options = {});

/// The same by ATen's own attention, whose memory does not grow with the square of the length; for devices without a kernel of ours.
/// Only segments that a window or slopes change write their scores out.
at::Tensor causal_attention_library(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const std::vector<int64_t>& segment_starts, const AttentionOptions& options = {});

/// Attention of the newest positions over a cache, for generation. No gradient.
///   q        [batch, new, heads, head_dim]   the last `new` of `total` positions
///   k, v     [batch, total, kv_heads, head_dim]
///   returns  [batch, new, heads, head_dim]
at::Tensor cached_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const AttentionOptions& options = {});

}  // namespace ingot::ops
