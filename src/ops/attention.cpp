#include "ops/attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numeric>

#include "ops/biased_attention.h"
#include "ops/block_attention.h"
#include "ops/attention_saved.h"
#include "ops/dispatch.h"
#include "ops/flash_attention.h"
#include "ops/segment_groups.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

double score_scale(const at::Tensor& q) { return 1 / std::sqrt(static_cast<double>(q.size(3))); }

std::tuple<at::Tensor, at::Tensor> attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                                     const AttentionOptions& options) {
  return is_biased(options, q.size(1)) ? biased_attention(q, k, v, options) : flash_attention(q, k, v, /*is_causal=*/true);
}

AttentionGradients attention_backward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k,
                                      const at::Tensor& v, const at::Tensor& out, const at::Tensor& log_sum,
                                      const AttentionOptions& options) {
  if (is_biased(options, q.size(1))) return biased_attention_backward(d_out, q, k, v, out, log_sum, options);
  // ATen's backward kernel multiplies bfloat16 blocks several times slower than this CPU can.
  const bool by_blocks = q.scalar_type() == at::kBFloat16 && has_block_attention();
  return by_blocks ? block_attention_backward(d_out, q, k, v, out, log_sum) : flash_attention_backward(d_out, q, k, v, out, log_sum, /*is_causal=*/true);
}

struct CausalAttention : torch::autograd::Function<CausalAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& segment_starts, const AttentionOptions& options) {
    auto out = at::empty(q.sizes(), q.options());
    variable_list kept{q, k, v, out};
    for (const auto& group : group_by_length(segment_starts)) {
      const GroupView view(group, q);
      const auto [part, log_sum] = attention_forward(view.gather(q), view.gather(k), view.gather(v), options);
      view.scatter(part, out);
      kept.push_back(log_sum);
    }
    ctx->save_for_backward(std::move(kept));
    ctx->saved_data["segment_starts"] = segment_starts;
    save_options(options, ctx->saved_data);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], d_out = grads[0].contiguous();
    const auto options = saved_options(ctx->saved_data);
    auto d_q = at::empty(q.sizes(), q.options()), d_k = at::empty(k.sizes(), k.options());
    auto d_v = at::empty(v.sizes(), v.options());
    size_t next = 4;
    for (const auto& group : group_by_length(ctx->saved_data["segment_starts"].toIntVector())) {
      const GroupView view(group, q);
      const auto part = attention_backward(view.gather(d_out), view.gather(q), view.gather(k), view.gather(v),
                                           view.gather(out), saved[next++], options);
      view.scatter(part.d_q, d_q);
      view.scatter(part.d_k, d_k);
      view.scatter(part.d_v, d_v);
    }
    return {d_q, d_k, d_v, {}, {}};
  }
};

void check_heads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const char* name) {
  TORCH_CHECK(q.dim() == 4 && k.dim() == 4 && k.sizes() == v.sizes() && q.size(0) == k.size(0) &&
                  q.size(3) == k.size(3) && k.size(2) > 0 && q.size(2) % k.size(2) == 0,
              name, ": q ", q.sizes(), ", k ", k.sizes(), " and v ", v.sizes(), " do not fit");
}

void check_options(const at::Tensor& q, const AttentionOptions& options, const char* name) {
  const auto slopes = static_cast<int64_t>(options.alibi_slopes.size());
  TORCH_CHECK(options.window >= 0 && (slopes == 0 || slopes == q.size(2)), name, ": window ", options.window, " and ",
              slopes, " slopes do not fit q ", q.sizes());
}

/// Softmax of scaled and biased scores where `allowed` and inside the window, in fp32 or double.
///   allowed, distances  [queries, keys]  bool; key - query, int64
at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor allowed,
                            const at::Tensor& distances, const AttentionOptions& options) {
  const auto dtype = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto heads_first = [&](const at::Tensor& x) { return expand_heads(x, q.size(2)).transpose(1, 2).to(dtype); };
  auto scores = at::matmul(heads_first(q), heads_first(k).transpose(2, 3)) * score_scale(q);
  if (!options.alibi_slopes.empty())
    scores = scores + at::tensor(options.alibi_slopes, scores.options()).view({-1, 1, 1}) * distances;
  if (options.window > 0) allowed = allowed.logical_and(distances > -options.window);
  scores = scores.masked_fill(allowed.logical_not(), -INFINITY);
  return at::matmul(scores.softmax(-1), heads_first(v)).transpose(1, 2).to(q.scalar_type());
}

/// key - query for queries `first_query`, `first_query` + 1 ... over all keys, [queries, keys] int64.
at::Tensor distances(int64_t queries, int64_t keys, int64_t first_query, const at::Device& device) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(device);
  return at::arange(keys, options).unsqueeze(0) - at::arange(first_query, first_query + queries, options).unsqueeze(1);
}

}  // namespace

bool is_biased(const AttentionOptions& options, int64_t length) {
  return !options.alibi_slopes.empty() || (options.window > 0 && options.window < length);
}

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& segment_starts, const AttentionOptions& options) {
  check_heads(q, k, v, "causal_attention");
  check_options(q, options, "causal_attention");
  TORCH_CHECK(q.size(1) == k.size(1), "causal_attention: q ", q.sizes(), " and k ", k.sizes(), " differ in length");
  if (!q.is_cpu()) return causal_attention_library(q, k, v, segment_starts, options);
  if (!has_kernel({q, k, v})) return causal_attention_composite(q, k, v, segment_starts, options);
  return CausalAttention::apply(q.contiguous(), k.contiguous(), v.contiguous(), segments_of_rows(q.size(0), q.size(1), segment_starts),
                                options);
}

at::Tensor causal_attention_composite(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      const std::vector<int64_t>& segment_starts, const AttentionOptions& options) {
  const auto starts = segments_of_rows(q.size(0), q.size(1), segment_starts);
  const int64_t tokens = q.size(0) * q.size(1);
  auto segment = at::zeros({tokens}, at::kLong);
  for (size_t i = 0; i + 1 < starts.size(); ++i)
    segment.slice(0, starts[i], starts[i + 1]).fill_(static_cast<int64_t>(i));
  const auto same = segment.unsqueeze(1) == segment.unsqueeze(0);
  const auto away = distances(tokens, tokens, 0, q.device());
  const auto allowed = same.to(q.device()).logical_and(away <= 0);
  const auto as_one_row = [&](const at::Tensor& x) { return x.reshape({1, tokens, x.size(2), x.size(3)}); };
  return masked_attention(as_one_row(q), as_one_row(k), as_one_row(v), allowed, away, options).reshape(q.sizes());
}

at::Tensor causal_attention_library(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const std::vector<int64_t>& segment_starts, const AttentionOptions& options) {
  auto out = at::zeros(q.sizes(), q.options());
  for (const auto& group : group_by_length(segments_of_rows(q.size(0), q.size(1), segment_starts))) {
    const GroupView view(group, q);
    const auto part_q = view.gather(q), part_k = view.gather(k), part_v = view.gather(v);
    const auto away = [&] { return distances(group.length, group.length, 0, q.device()); };
    const auto part = is_biased(options, group.length)
                          ? masked_attention(part_q, part_k, part_v, away() <= 0, away(), options)
                          : at::scaled_dot_product_attention(part_q.transpose(1, 2), expand_heads(part_k, q.size(2)).transpose(1, 2),
                                                             expand_heads(part_v, q.size(2)).transpose(1, 2), /*attn_mask=*/{},
                                                             /*dropout_p=*/0.0, /*is_causal=*/true)
                                .transpose(1, 2);
    view.scatter(part, out);
  }
  return out;
}

at::Tensor cached_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const AttentionOptions& options) {
  check_heads(q, k, v, "cached_attention");
  check_options(q, options, "cached_attention");
  const int64_t fresh = q.size(1), total = k.size(1);
  TORCH_CHECK(fresh <= total, "cached_attention: ", fresh, " new positions of ", total);
  const at::NoGradGuard no_grad;
  if (fresh == total && has_kernel({q, k, v})) return causal_attention(q, k, v, {}, options);
  const auto away = distances(fresh, total, total - fresh, q.device());
  return masked_attention(q, k, v, away <= 0, away, options);
}

}  // namespace ingot::ops
