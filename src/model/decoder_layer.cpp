#include "model/decoder_layer.h"

#include <ATen/ATen.h>

#include "model/key_value_cache.h"
#include "ops/rms_norm.h"
#include "ops/rotary.h"

namespace ingot::model {

RmsNorm::RmsNorm(const ParameterScope& params, const DecoderConfig& config)
    : weight(params.value("weight")), eps(config.rms_norm_eps) {}

at::Tensor RmsNorm::forward(const at::Tensor& x) const { return ops::rms_norm(x, weight, eps); }

RemakableInput RmsNorm::forward(const at::Tensor& x, const Pass& pass) const {
  if (!pass.remake_inputs) return {forward(x), {}, pass.dropout_keys};
  return {forward(x), [x = x.detach(), weight = weight.detach(), eps = eps] { return ops::rms_norm(x, weight, eps); },
          pass.dropout_keys};
}

Attention::Attention(const ParameterScope& params, const DecoderConfig& config, const DecoderNames& names, size_t layer)
    : qkv(params, names.qkv,
          {config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim, config.num_kv_heads * config.head_dim}),
      out(params.child(names.attention_out)),
      head_dim(config.head_dim),
      rotates(config.rotary_dim() > 0),
      interleaved(config.rope_interleaved),
      options{.window = config.window_of(static_cast<int64_t>(layer)), .alibi_slopes = config.alibi_slopes()},
      index(layer) {}

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
    mixed = ops::causal_attention(queries, keys, values, pass.segment_starts, options);
  } else {
    const auto seen = extend(*pass.cache, index, keys, values);
    mixed = ops::cached_attention(queries, seen.keys, seen.values, options);
  }
  return project({mixed.flatten(2), {}, pass.dropout_keys}, out);
}

DecoderLayer::DecoderLayer(const ParameterScope& params, const DecoderConfig& config, const Family& family, size_t layer)
    : attention(params.child(family.names.attention), config, family.names, layer),
      feed_forward((config.num_experts > 0 ? make_mixture : make_mlp)(params.child(family.names.mlp), config, family.names)),
      attention_norm(params.child(family.names.attention_norm), config),
      mlp_norm(params.child(family.names.mlp_norm), config) {}

LayerOutput DecoderLayer::forward(const at::Tensor& x, const Pass& pass) const {
  const auto middle = x + attention.forward(attention_norm.forward(x, pass), pass);
  const auto [change, router_logits] = feed_forward->forward(mlp_norm.forward(middle, pass), pass);
  return {middle + change, router_logits};
}

}  // namespace ingot::model
