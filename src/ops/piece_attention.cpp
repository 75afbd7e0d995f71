#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "ops/attention.h"
#include "ops/attention_saved.h"
#include "ops/biased_attention.h"
#include "ops/dispatch.h"
#include "ops/flash_attention.h"
#include "ops/segment_groups.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What of a piece lies in one segment; those of equal lengths run as one batch.
struct PieceGroup {
  int64_t queries, before;                   // queries, and keys of their segment before them
  std::vector<int64_t> first_query, first_key;  // in the flattened own tokens and in the flattened rows
};

std::vector<PieceGroup> groups_of(const at::Tensor& q, const at::Tensor& k, const std::vector<int64_t>& pieces, const std::vector<int64_t>& segment_starts) {
  std::map<std::pair<int64_t, int64_t>, PieceGroup> groups;
  const int64_t own = q.size(1), seq = k.size(1);
  for (int64_t row = 0, query = 0; row < q.size(0); ++row, query = row * own)
    for (size_t i = 0; i < pieces.size(); i += 2) {
      const int64_t begin = row * seq + pieces[i], end = row * seq + pieces[i + 1];
      auto segment = std::upper_bound(segment_starts.begin(), segment_starts.end(), begin) - 1;
      for (int64_t at = begin; at < end; ++segment) {
        const int64_t until = std::min(end, *(segment + 1)), queries = until - at, before = at - *segment;
        auto& group = groups[{queries, before}];
        group.queries = queries, group.before = before;
        group.first_query.push_back(query + at - begin), group.first_key.push_back(*segment);
        at = until;
      }
      query += end - begin;
    }
  std::vector<PieceGroup> found;
  for (auto& [lengths, group] : groups) found.push_back(std::move(group));
  return found;
}

/// Places starts[i], starts[i] + 1 ... of the flattened tokens, [starts * length] int64.
at::Tensor places_of(const std::vector<int64_t>& starts, int64_t length) {
  return (at::tensor(starts, at::kLong).unsqueeze(1) + at::arange(length, at::kLong)).flatten();
}

at::Tensor rows_at(const at::Tensor& x, const at::Tensor& places, int64_t length) {
  return x.flatten(0, 1).index_select(0, places).view({-1, length, x.size(2), x.size(3)});
}

/// [batch, heads, queries] as factors of [batch, queries, heads, head_dim].
at::Tensor factors(const at::Tensor& log) { return log.exp().transpose(1, 2).unsqueeze(-1); }

/// Of queries that are the last of the keys.
std::tuple<at::Tensor, at::Tensor> forward_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& options) {
  if (is_biased(options, k.size(1))) return biased_attention(q, k, v, options);
  const int64_t before = k.size(1) - q.size(1);
  const auto own = [&](const at::Tensor& x) { return x.narrow(1, before, q.size(1)).contiguous(); };
  auto [out, log_sum] = flash_attention(q, own(k), own(v), /*is_causal=*/true);
  if (before == 0) return {out, log_sum};
  const auto [earlier, earlier_sum] = flash_attention(q, k.narrow(1, 0, before).contiguous(), v.narrow(1, 0, before).contiguous(), /*is_causal=*/false);
  const auto sum = at::logaddexp(log_sum, earlier_sum);
  out = (out.to(at::kFloat) * factors(log_sum - sum)).add_(earlier.to(at::kFloat) * factors(earlier_sum - sum)).to(q.scalar_type());
  return {out, sum};
}

AttentionGradients backward_of(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out,
                               const at::Tensor& log_sum, const AttentionOptions& options) {
  if (is_biased(options, k.size(1))) return biased_attention_backward(d_out, q, k, v, out, log_sum, options);
  const int64_t before = k.size(1) - q.size(1);
  const auto own = [&](const at::Tensor& x) { return x.narrow(1, before, q.size(1)).contiguous(); };
  auto gradients = flash_attention_backward(d_out, q, own(k), own(v), out, log_sum, /*is_causal=*/true);
  if (before == 0) return gradients;
  const auto earlier = flash_attention_backward(d_out, q, k.narrow(1, 0, before).contiguous(), v.narrow(1, 0, before).contiguous(), out, log_sum, /*is_causal=*/false);
  return {gradients.d_q + earlier.d_q, at::cat({earlier.d_k, gradients.d_k}, 1), at::cat({earlier.d_v, gradients.d_v}, 1)};
}

struct PieceAttention : torch::autograd::Function<PieceAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<int64_t>& pieces,
                            const std::vector<int64_t>& segment_starts, const AttentionOptions& options) {
    auto out = at::empty(q.sizes(), q.options());
    variable_list kept{q, k, v, out};
    auto flat = out.flatten(0, 1);
    for (const auto& group : groups_of(q, k, pieces, segment_starts)) {
      const auto queries = places_of(group.first_query, group.queries);
      const int64_t length = group.before + group.queries;
      const auto keys = places_of(group.first_key, length);
      const auto [part, log_sum] = forward_of(rows_at(q, queries, group.queries), rows_at(k, keys, length), rows_at(v, keys, length), options);
      flat.index_copy_(0, queries, part.reshape({-1, q.size(2), q.size(3)}));
      kept.push_back(log_sum);
    }
    ctx->save_for_backward(std::move(kept));
    ctx->saved_data["pieces"] = pieces;
    ctx->saved_data["segment_starts"] = segment_starts;
    save_options(options, ctx->saved_data);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], d_out = grads[0].contiguous();
    const auto options = saved_options(ctx->saved_data);
    auto d_q = at::empty(q.sizes(), q.options());
    auto d_k = at::zeros(k.sizes(), k.options().dtype(at::kFloat)), d_v = at::zeros_like(d_k);  // keys have queries in several pieces
    auto flat_q = d_q.flatten(0, 1), flat_k = d_k.flatten(0, 1), flat_v = d_v.flatten(0, 1);
    size_t next = 4;
    for (const auto& group : groups_of(q, k, ctx->saved_data["pieces"].toIntVector(), ctx->saved_data["segment_starts"].toIntVector())) {
      const auto queries = places_of(group.first_query, group.queries);
      const int64_t length = group.before + group.queries;
      const auto keys = places_of(group.first_key, length);
      const auto of_queries = [&](const at::Tensor& x) { return rows_at(x, queries, group.queries); };
      const auto part = backward_of(of_queries(d_out), of_queries(q), rows_at(k, keys, length), rows_at(v, keys, length), of_queries(out), saved[next++], options);
      flat_q.index_copy_(0, queries, part.d_q.reshape({-1, q.size(2), q.size(3)}));
      flat_k.index_add_(0, keys, part.d_k.reshape({-1, k.size(2), k.size(3)}).to(at::kFloat));
      flat_v.index_add_(0, keys, part.d_v.reshape({-1, k.size(2), k.size(3)}).to(at::kFloat));
    }
    return {d_q, d_k.to(k.scalar_type()), d_v.to(v.scalar_type()), {}, {}, {}};
  }
};

}  // namespace

at::Tensor causal_attention_of_pieces(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<RowPiece>& pieces,
                                      const std::vector<int64_t>& segment_starts, const AttentionOptions& options) {
  int64_t tokens = 0;
  std::vector<int64_t> bounds;
  for (const auto& [begin, end] : pieces) bounds.insert(bounds.end(), {begin, end}), tokens += end - begin;
  TORCH_CHECK(q.size(0) == k.size(0) && q.size(1) == tokens, "causal_attention_of_pieces: q ", q.sizes(), " of pieces of ", tokens, " tokens");
  if (has_kernel({q, k, v}) && q.is_cpu())
    return PieceAttention::apply(q.contiguous(), k.contiguous(), v.contiguous(), bounds, segments_of_rows(k.size(0), k.size(1), segment_starts), options);
  std::vector<at::Tensor> places;
  for (const auto& [begin, end] : pieces) places.push_back(at::arange(begin, end, at::TensorOptions().dtype(at::kLong).device(q.device())));
  const auto all = at::cat(places);
  const auto whole = at::zeros({k.size(0), k.size(1), q.size(2), q.size(3)}, q.options()).index_copy(1, all, q);
  return causal_attention(whole, k, v, segment_starts, options).index_select(1, all);
}

}  // namespace ingot::ops
