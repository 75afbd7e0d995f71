#include "ops/flash_attention.h"

#include <ATen/ATen.h>

namespace ingot::ops {
namespace {

/// Sums the gradient over the query heads that read one key/value head.
at::Tensor sum_heads(const at::Tensor& d_x, int64_t kv_heads) {
  if (d_x.size(2) == kv_heads) return d_x;
  return d_x.reshape({d_x.size(0), d_x.size(1), kv_heads, -1, d_x.size(3)}).sum(3);
}

}  // namespace

at::Tensor expand_heads(const at::Tensor& x, int64_t heads) {
  return heads == x.size(2) ? x : x.repeat_interleave(heads / x.size(2), 2);
}

std::tuple<at::Tensor, at::Tensor> flash_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool is_causal) {
  auto [out, log_sum] = at::_scaled_dot_product_flash_attention_for_cpu(
      q.transpose(1, 2), expand_heads(k, q.size(2)).transpose(1, 2), expand_heads(v, q.size(2)).transpose(1, 2), /*dropout_p=*/0.0, is_causal);
  return {out.transpose(1, 2), log_sum};
}

AttentionGradients flash_attention_backward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                            const at::Tensor& out, const at::Tensor& log_sum, bool is_causal) {
  const auto [d_q, d_k, d_v] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      d_out.transpose(1, 2), q.transpose(1, 2), expand_heads(k, q.size(2)).transpose(1, 2),
      expand_heads(v, q.size(2)).transpose(1, 2), out.transpose(1, 2), log_sum, /*dropout_p=*/0.0, is_causal);
  return {d_q.transpose(1, 2), sum_heads(d_k.transpose(1, 2), k.size(2)), sum_heads(d_v.transpose(1, 2), k.size(2))};
}

}  // namespace ingot::ops
