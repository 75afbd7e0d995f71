#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/causal_lm.h"
#include "model/decoder_config.h"
#include "model/family.h"
#include "model/joint_projection.h"
#include "model/parameters.h"
#include "model/projection.h"
#include "model/rope_table.h"
#include "ops/attention.h"

namespace ingot::model {

/// What the layers of one pass share.
struct Pass {
  RopeTable rope;
  std::vector<int64_t> segment_starts;     // see ops/attention.h
  bool remake_inputs = false;              // make norm and SwiGLU outputs again in the backward pass
  at::Tensor dropout_keys = {};            // see ModelInput
  KeyValueCache* cache = nullptr;          // set for generation: its positions come before these
  int64_t batch = 1, seq = 1;              // of all tokens
};

/// Scales each vector to unit mean square. Parameter: weight [hidden].
struct RmsNorm {
  RmsNorm(const ParameterScope& params, const DecoderConfig& config);
  at::Tensor forward(const at::Tensor& x) const;
  RemakableInput forward(const at::Tensor& x, const Pass& pass) const;
  at::Tensor weight;
  double eps;
};

/// What every layer of a model is built with.
struct LayerContext {
  const DecoderConfig& config;  // of the whole model
  const DecoderNames& names;
  parallel::Communicator& ranks;    // that share the matrices: heads of attention, columns of the MLP
  parallel::Communicator& experts;  // that share the experts
  parallel::Communicator& context;  // that share the tokens of a row
};

/// Self-attention with grouped key/value heads and rope or ALiBi; layer `index` of the cache is its own.
struct Attention {
  Attention(const ParameterScope& params, const LayerContext& context, size_t index);
  /// `h` [batch, seq, hidden] to the same: this rank's term of the sum over those that share the matrices.
  at::Tensor forward(const RemakableInput& h, const Pass& pass) const;
  at::Tensor attended(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, const std::vector<int64_t>& segment_starts) const;
  JointProjection qkv;
  Projection out;
  int64_t head_dim;
  bool rotates, interleaved;
  ops::AttentionOptions options;
  size_t index;
  parallel::Communicator *ranks, *context;
};

/// What a layer gives, or a part of it.
struct LayerOutput {
  at::Tensor x;
  at::Tensor router_logits;  // [batch * seq, experts] of all tokens; undefined without experts
};

/// What follows the second norm of a layer.
class FeedForward {
 public:
  virtual ~FeedForward() = default;
  /// `h` [..., hidden] to the same: this rank's term of the sum over those that share the matrices.
  virtual LayerOutput forward(const RemakableInput& h, const Pass& pass) const = 0;
};

/// down(silu(gate(h)) * up(h)), which the dense families have; `params` is the scope of the layer's feed-forward.
std::unique_ptr<FeedForward> make_mlp(const ParameterScope& params, const LayerContext& context);

/// A router and config.num_experts MLPs under "gate" and "experts.N", of which each token goes through
/// config.experts_per_token; the mean of their outputs, weighted by the router. Source: MODELS §2 C.
std::unique_ptr<FeedForward> make_mixture(const ParameterScope& params, const LayerContext& context);

/// The pre-norm block: x + attention(norm(x)), then x + feed_forward(norm(x)). With `pass.remake_inputs` a dense layer
/// keeps for the backward pass, per token: the two residual inputs (2 hidden), q, k, v and the attention's output (2 q
/// + 2 kv widths), gate and up (2 ffn); otherwise also the norms' outputs (2 hidden) and the SwiGLU's (1 ffn). Of several ranks that share the
/// matrices each keeps residual inputs and norms' outputs of its share of the tokens alone: the backward pass gathers them again.
struct DecoderLayer {
  DecoderLayer(const ParameterScope& params, const LayerContext& context, size_t index);
  /// x [tokens, hidden] to the same, of the tokens of this rank's share (parallel/tensor_parallel.h).
  LayerOutput forward(const at::Tensor& x, const Pass& pass) const;
  Attention attention;
  std::unique_ptr<FeedForward> feed_forward;
  RmsNorm attention_norm, mlp_norm;
  parallel::Communicator* ranks;
};

}  // namespace ingot::model
