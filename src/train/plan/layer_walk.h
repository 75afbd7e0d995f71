#pragma once

#include <cstdint>

#include "train/plan/held_bytes.h"
#include "train/plan/layer_sizes.h"

namespace ingot::train {

/// Bytes of the gradients that a layer's weights get in a backward pass, in the type of the weights.
struct LayerGradients {
  int64_t attention = 0, feed_forward = 0;
};

/// A layer's passes over a micro-batch as model/decoder_layer.cpp and the operations that it calls make them: which tensors there are,
/// from when on and how long. What an operation keeps for its backward pass stands in its file in ops.
class LayerWalk {
 public:
  LayerWalk(HeldBytes& held, LayerSizes sizes, LayerTuning tuning, LayerGradients gradients, model::Recompute recompute);

  /// What the layer keeps until its backward pass.
  int64_t kept() const;
  void forward() { held_.take(kept()); }
  /// Before it the gradient of the output is held, after it that of the input, where there is one.
  void backward();

 private:
  int64_t kept_x() const;
  int64_t kept_attention() const;
  int64_t kept_middle() const;
  int64_t kept_feed_forward() const;
  bool attention_flows() const { return tuning_.any_before || tuning_.norms || tuning_.qkv; }
  bool middle_flows() const { return attention_flows() || tuning_.attention_out; }
  bool remakes_products() const { return remakes_ && !sizes_.exchanges; }  // of gate and up
  void feed_forward_backward();
  void mlp_backward(int64_t inner, int64_t input, int64_t gradients);
  void experts_backward();
  void norm_backward();
  int64_t gathered() const { return sizes_.gathers ? sizes_.all_tokens : 0; }  // the gradient of a term of the output: that of all tokens
  void scatter_gradient();
  void attention_backward();
  void attention_kernel();

  HeldBytes& held_;
  const LayerSizes sizes_;
  const LayerTuning tuning_;
  const LayerGradients gradients_;
  const model::Recompute recompute_;
  const bool remakes_;         // norms' and SwiGLU's outputs
  const bool remakes_inputs_;  // of column matrices: norms' outputs made or gathered again
  const bool keeps_rows_;      // of other ranks experts keep all (model/mixture.cpp)
};

}  // namespace ingot::train
