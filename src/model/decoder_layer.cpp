#include "model/decoder_layer.h"

#include <ATen/ATen.h>

#include "model/key_value_cache.h"
#include "ops/attention.h"
#include "ops/rms_norm.h"
#include "ops/rotary.h"
#include "ops/swiglu.h"

namespace ingot::model {

RmsNorm::RmsNorm(const ParameterScope& params, const DecoderConfig& config)
    : weight(params.ones("weight", {config.hidden_size})), eps(config.rms_norm_eps) {}

at::Tensor RmsNorm::forward(const at::Tensor& x) const { return ops::rms_norm(x, weight, eps); }

RemakableInput RmsNorm::forward(const at::Tensor& x, const Pass& pass) const {
  if (!pass.remake_inputs) return {forward(x), {}};
  return {forward(x), [x = x.detach(), weight = weight.detach(), eps = eps] { return ops::rms_norm(x, weight, eps); }};
}

Attention::Attention(const ParameterScope& params, const DecoderConfig& config, size_t layer)
    : q(params.child("q_proj"), {config.hidden_size, config.num_heads * config.head_dim}, config.attention_bias,
        config.initializer_range),
      k(params.child("k_proj"), {config.hidden_size, config.num_kv_heads * config.head_dim}, config.attention_bias,
        config.initializer_range),
      v(params.child("v_proj"), {config.hidden_size, config.num_kv_heads * config.head_dim}, config.attention_bias,
        config.initializer_range),
      o(params.child("o_proj"), {config.num_heads * config.head_dim, config.hidden_size}, config.attention_bias,
        config.initializer_range),
      head_dim(config.head_dim),
      index(layer) {}

at::Tensor Attention::forward(const RemakableInput& h, const Pass& pass) const {
  const auto projected = project(h, {&q, &k, &v});
  const auto heads = [&](const at::Tensor& x) { return x.unflatten(-1, {-1, head_dim}); };  // [batch, seq, heads, dim]
  const auto queries = ops::rotary(heads(projected[0]), pass.rope.cos, pass.rope.sin);
  const auto keys = ops::rotary(heads(projected[1]), pass.rope.cos, pass.rope.sin);
  const auto values = heads(projected[2]);
  at::Tensor mixed;
  if (pass.cache == nullptr) {
    mixed = ops::causal_attention(queries, keys, values, pass.segment_starts);
  } else {
    const auto seen = extend(*pass.cache, index, keys, values);
    mixed = ops::cached_attention(queries, seen.keys, seen.values);
  }
  return project({mixed.flatten(2), {}}, o);
}

Mlp::Mlp(const ParameterScope& params, const DecoderConfig& config)
    : gate(params.child("gate_proj"), {config.hidden_size, config.intermediate_size}, config.mlp_bias,
           config.initializer_range),
      up(params.child("up_proj"), {config.hidden_size, config.intermediate_size}, config.mlp_bias,
         config.initializer_range),
      down(params.child("down_proj"), {config.intermediate_size, config.hidden_size}, config.mlp_bias,
           config.initializer_range) {}

at::Tensor Mlp::forward(const RemakableInput& h, const Pass& pass) const {
  const auto projected = project(h, {&gate, &up});
  ops::Remake remake;
  if (pass.remake_inputs)
    remake = [g = projected[0].detach(), u = projected[1].detach()] { return ops::swiglu(g, u); };
  return project({ops::swiglu(projected[0], projected[1]), remake}, down);
}

DecoderLayer::DecoderLayer(const ParameterScope& params, const DecoderConfig& config, size_t index)
    : attention(params.child("self_attn"), config, index),
      mlp(params.child("mlp"), config),
      attention_norm(params.child("input_layernorm"), config),
      mlp_norm(params.child("post_attention_layernorm"), config) {}

at::Tensor DecoderLayer::forward(const at::Tensor& x, const Pass& pass) const {
  const auto middle = x + attention.forward(attention_norm.forward(x, pass), pass);
  return middle + mlp.forward(mlp_norm.forward(middle, pass), pass);
}

}  // namespace ingot::model
