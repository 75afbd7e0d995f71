#include "model/decoder_layer.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "model/key_value_cache.h"
#include "ops/rms_norm.h"
#include "ops/rotary.h"
#include "parallel/context_parallel.h"
#include "parallel/tensor_parallel.h"

namespace ingot::model {

RmsNorm::RmsNorm(const ParameterScope& params, const DecoderConfig& config)
    : weight(params.value("weight")), eps(config.rms_norm_eps) {}

at::Tensor RmsNorm::forward(const at::Tensor& x) const { return ops::rms_norm(x, weight, eps); }

RemakableInput RmsNorm::forward(const at::Tensor& x, const Pass& pass) const {
  if (!pass.remake_inputs) return {forward(x), {}, pass.dropout_keys};
  return {forward(x), [x = x.detach(), weight = weight.detach(), eps = eps] { return ops::rms_norm(x, weight, eps); },
          pass.dropout_keys};
}

namespace {

/// Widths of this rank's queries, keys and values.
std::vector<int64_t> head_widths(const LayerContext& context) {
  const auto& config = context.config;
  const int64_t queries = config.num_heads / context.ranks.size(), keys = std::max<int64_t>(1, config.num_kv_heads / context.ranks.size());
  return {queries * config.head_dim, keys * config.head_dim, keys * config.head_dim};
}

std::vector<double> own_slopes(const LayerContext& context) {
  const auto all = context.config.alibi_slopes();
  const auto share = std::ssize(all) / context.ranks.size(), begin = context.ranks.rank() * share;
  return {all.begin() + begin, all.begin() + begin + share};
}

/// Of all tokens what each rank has of its share, [batch, seq, hidden].
RemakableInput of_all_tokens(const RemakableInput& own, const Pass& pass, parallel::Communicator& ranks) {
  const int64_t tokens = pass.batch * pass.seq;
  RemakableInput all{parallel::rows_of_shares(own.value, tokens, ranks).view({pass.batch, pass.seq, -1}), own.remake, own.dropout_keys};
  if (ranks.size() == 1) return all;
  const auto share = own.remake ? own.remake : [kept = own.value.detach()] { return kept; };
  all.remake = [share, tokens, &ranks] { return parallel::rows_of_shares(share(), tokens, ranks); };
  return all;
}

}  // namespace

Attention::Attention(const ParameterScope& params, const LayerContext& context, size_t layer)
    : qkv(params, context.names.qkv, head_widths(context)),
      out(params.child(context.names.attention_out)),
      head_dim(context.config.head_dim),
      rotates(context.config.rotary_dim() > 0),
      interleaved(context.config.rope_interleaved),
      options{.window = context.config.window_of(static_cast<int64_t>(layer)), .alibi_slopes = own_slopes(context)},
      index(layer),
      ranks(&context.ranks),
      context(&context.context) {}

at::Tensor Attention::forward(const RemakableInput& h, const Pass& pass) const {
  const auto projected = qkv.forward(h);
  const auto heads = [&](size_t i) { return projected[i].unflatten(-1, {-1, head_dim}); };  // [batch, seq, heads, dim]
  const auto pairs = interleaved ? ops::RotaryPairs::kNeighbours : ops::RotaryPairs::kHalves;
  const auto rotated = [&](const at::Tensor& x) {
    return rotates ? ops::rotary(x, pass.rope.cos, pass.rope.sin, pairs) : x;
  };
  const auto queries = rotated(heads(0)), keys = rotated(heads(1)), values = heads(2);
  at::Tensor mixed;
  if (pass.cache == nullptr) {
    mixed = attended(queries, keys, values, pass.segment_starts);
  } else {
    const auto seen = extend(*pass.cache, index, keys, values);
    mixed = ops::cached_attention(queries, seen.keys, seen.values, options);
  }
  return project_part({mixed.flatten(2), {}, pass.dropout_keys}, out, *ranks);
}

/// Queries of this rank's tokens over the keys of all.
at::Tensor Attention::attended(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, const std::vector<int64_t>& segment_starts) const {
  if (context->size() == 1) return ops::causal_attention(queries, keys, values, segment_starts, options);
  const auto all_keys = parallel::tokens_of_ranks(keys, *context), all_values = parallel::tokens_of_ranks(values, *context);
  std::vector<ops::RowPiece> pieces;
  for (const auto& [begin, end] : parallel::TokenCut{context->size(), context->rank()}.pieces(all_keys.size(1))) pieces.push_back({begin, end});
  return ops::causal_attention_of_pieces(queries, all_keys, all_values, pieces, segment_starts, options);
}

DecoderLayer::DecoderLayer(const ParameterScope& params, const LayerContext& context, size_t layer)
    : attention(params.child(context.names.attention), context, layer),
      feed_forward((context.config.num_experts > 0 ? make_mixture : make_mlp)(params.child(context.names.mlp), context)),
      attention_norm(params.child(context.names.attention_norm), context.config),
      mlp_norm(params.child(context.names.mlp_norm), context.config),
      ranks(&context.ranks) {}

LayerOutput DecoderLayer::forward(const at::Tensor& x, const Pass& pass) const {
  const auto summed = [&](const at::Tensor& term) { return parallel::share_of_sum(term.flatten(0, 1), *ranks); };
  const auto middle = x + summed(attention.forward(of_all_tokens(attention_norm.forward(x, pass), pass, *ranks), pass));
  const auto [change, router_logits] = feed_forward->forward(of_all_tokens(mlp_norm.forward(middle, pass), pass, *ranks), pass);
  return {middle + summed(change), router_logits};
}

}  // namespace ingot::model
