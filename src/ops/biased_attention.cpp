#include "ops/biased_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace ingot::ops {
namespace {

constexpr int64_t kScores = int64_t{4} << 20;  // at a time, over all heads

/// Queries [begin, end) of every head and the keys [first_key, end_key) that one of them sees; query i stands at key i + offset.
struct QueryBlock {
  int64_t begin, end, first_key, offset;
  int64_t queries() const { return end - begin; }
  int64_t end_key() const { return end + offset; }
  int64_t keys() const { return end_key() - first_key; }
};

std::vector<QueryBlock> blocks_of(const at::Tensor& q, int64_t num_keys, const AttentionOptions& options) {
  const int64_t seq = q.size(1), offset = num_keys - seq, heads = q.size(0) * q.size(2);
  const int64_t seen = options.window > 0 ? std::min(num_keys, options.window) : num_keys;
  const int64_t rows = std::clamp<int64_t>(kScores / std::max<int64_t>(1, heads * seen), 1, 256);
  std::vector<QueryBlock> blocks;
  for (int64_t begin = 0; begin < seq; begin += rows) {
    const int64_t first_key = options.window > 0 ? std::max<int64_t>(0, begin + offset - options.window + 1) : 0;
    blocks.push_back({begin, std::min(seq, begin + rows), first_key, offset});
  }
  return blocks;
}

/// A view of heads as the batch of products: the query heads that read one key/value head lie one behind the other.
class Heads {
 public:
  Heads(const at::Tensor& q, const at::Tensor& k)
      : batch_(q.size(0)), heads_(q.size(2)), kv_heads_(k.size(2)), dim_(q.size(3)) {}

  /// [batch, seq, kv_heads, head_dim] to [batch * kv_heads, seq, head_dim] float32.
  at::Tensor keys(const at::Tensor& x) const {
    return x.transpose(1, 2).to(at::kFloat).reshape({batch_ * kv_heads_, -1, dim_});
  }
  /// A block of [batch, seq, heads, head_dim] as [batch * kv_heads, group * queries, head_dim] float32.
  at::Tensor queries(const at::Tensor& x, const QueryBlock& block) const {
    return x.narrow(1, block.begin, block.queries()).transpose(1, 2).to(at::kFloat).reshape({batch_ * kv_heads_, -1, dim_});
  }
  /// The way back, rounded into `x`.
  void store_queries(const at::Tensor& from, const QueryBlock& block, at::Tensor& x) const {
    auto place = x.narrow(1, block.begin, block.queries());
    place.copy_(from.view({batch_, heads_, block.queries(), dim_}).transpose(1, 2));
  }
  at::Tensor restored_keys(const at::Tensor& x, at::ScalarType dtype) const {
    return x.view({batch_, kv_heads_, -1, dim_}).transpose(1, 2).to(dtype);
  }
  /// [batch * kv_heads, group * queries, keys] as [batch, heads, queries, keys].
  at::Tensor by_head(const at::Tensor& scores, const QueryBlock& block) const {
    return scores.view({batch_, heads_, block.queries(), block.keys()});
  }

 private:
  int64_t batch_, heads_, kv_heads_, dim_;
};

/// Adds the bias to scaled scores [batch, heads, queries, keys] and closes what a query does not see.
void bias_and_mask(at::Tensor& scores, const QueryBlock& block, const AttentionOptions& options) {
  const auto distances = at::arange(block.first_key, block.end_key()).unsqueeze(0) -
                         at::arange(block.begin + block.offset, block.end_key()).unsqueeze(1);  // key - query
  if (!options.alibi_slopes.empty()) {
    const auto slopes = at::tensor(options.alibi_slopes, scores.options()).view({-1, 1, 1});
    scores.addcmul_(slopes, distances.to(at::kFloat));
  }
  auto hidden = distances > 0;
  if (options.window > 0) hidden.logical_or_(distances <= -options.window);
  scores.masked_fill_(hidden, -INFINITY);
}

at::Tensor block_scores(const Heads& heads, const at::Tensor& queries, const at::Tensor& keys, const QueryBlock& block,
                        const AttentionOptions& options) {
  auto scores = at::bmm(queries, keys.narrow(1, block.first_key, block.keys()).transpose(1, 2));
  scores.mul_(1 / std::sqrt(static_cast<double>(queries.size(2))));
  auto by_head = heads.by_head(scores, block);
  bias_and_mask(by_head, block, options);
  return scores;
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> biased_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                                    const AttentionOptions& options) {
  const Heads heads(q, k);
  const auto keys = heads.keys(k), values = heads.keys(v);
  auto out = at::empty(q.sizes(), q.options());
  auto log_sum = at::empty({q.size(0), q.size(2), q.size(1)}, q.options().dtype(at::kFloat));
  for (const auto& block : blocks_of(q, k.size(1), options)) {
    auto scores = block_scores(heads, heads.queries(q, block), keys, block, options);
    auto sums = heads.by_head(scores, block).logsumexp(-1, /*keepdim=*/true);  // [batch, heads, queries, 1]
    heads.by_head(scores, block).sub_(sums).exp_();
    heads.store_queries(at::bmm(scores, values.narrow(1, block.first_key, block.keys())), block, out);
    log_sum.narrow(2, block.begin, block.queries()).copy_(sums.squeeze(-1));
  }
  return {out, log_sum};
}

AttentionGradients biased_attention_backward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, const at::Tensor& out, const at::Tensor& log_sum,
                                             const AttentionOptions& options) {
  const Heads heads(q, k);
  const auto keys = heads.keys(k), values = heads.keys(v);
  auto d_q = at::empty(q.sizes(), q.options());
  auto d_keys = at::zeros_like(keys), d_values = at::zeros_like(values);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  for (const auto& block : blocks_of(q, k.size(1), options)) {
    const auto queries = heads.queries(q, block), d_block = heads.queries(d_out, block);
    const auto seen = [&](const at::Tensor& x) { return x.narrow(1, block.first_key, block.keys()); };
    auto p = block_scores(heads, queries, keys, block, options);
    heads.by_head(p, block).sub_(log_sum.narrow(2, block.begin, block.queries()).unsqueeze(-1)).exp_();
    const auto delta = (d_block * heads.queries(out, block)).sum(-1, /*keepdim=*/true);
    const auto d_scores = at::bmm(d_block, seen(values).transpose(1, 2)).sub_(delta).mul_(p).mul_(scale);
    heads.store_queries(at::bmm(d_scores, seen(keys)), block, d_q);
    seen(d_keys).baddbmm_(d_scores.transpose(1, 2), queries);
    seen(d_values).baddbmm_(p.transpose(1, 2), d_block);
  }
  return {d_q, heads.restored_keys(d_keys, k.scalar_type()), heads.restored_keys(d_values, v.scalar_type())};
}

}  // namespace ingot::ops
