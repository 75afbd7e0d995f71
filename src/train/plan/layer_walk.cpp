#include "train/plan/layer_walk.h"

namespace ingot::train {

LayerWalk::LayerWalk(HeldBytes& held, LayerSizes sizes, LayerTuning tuning, LayerGradients gradients, model::Recompute recompute)
    : held_(held), sizes_(sizes), tuning_(tuning), gradients_(gradients), recompute_(recompute),
      remakes_(recompute == model::Recompute::kSelective), remakes_inputs_(remakes_ || sizes_.gathers), keeps_rows_(sizes_.exchanges || !remakes_inputs_) {}

int64_t LayerWalk::kept() const {
  if (recompute_ == model::Recompute::kFull) return sizes_.residual + sizes_.routing / 4;  // x, and logits of the router
  return kept_x() + kept_attention() + kept_middle() + kept_feed_forward();
}

/// By the first norm: x and 1 / rms; by the maps to q, k, v: their input.
int64_t LayerWalk::kept_x() const {
  const int64_t by_norm = tuning_.any_before || tuning_.norms ? sizes_.residual + sizes_.inverse_rms : 0;
  return by_norm + (tuning_.qkv && !remakes_ ? sizes_.residual : 0);
}

/// By attention: q, k, v, its output, which is the input of the map behind it, and the sums of the softmax.
int64_t LayerWalk::kept_attention() const {
  if (attention_flows()) return 2 * sizes_.queries + 2 * sizes_.keys + sizes_.log_sums + sizes_.attention_inner;
  return tuning_.attention_out ? sizes_.queries + sizes_.attention_inner : 0;
}

int64_t LayerWalk::kept_middle() const { return middle_flows() || tuning_.norms ? sizes_.residual + sizes_.inverse_rms : 0; }

/// By the maps to gate and up, and the router: their input; by SwiGLU: gate and up; by the map down: its input. By experts: the rows that
/// they are given and those that they give.
int64_t LayerWalk::kept_feed_forward() const {
  const bool routes = sizes_.routed > 0;
  const int64_t input = !remakes_ && (routes ? tuning_.router : tuning_.gate_up) ? sizes_.residual : 0;
  const int64_t rows = routes ? sizes_.routing + sizes_.routed + (keeps_rows_ && tuning_.gate_up ? sizes_.routed : 0) : 0;
  return input + rows + 2 * sizes_.inner + (!remakes_products() && tuning_.down ? sizes_.inner : 0) + sizes_.feed_forward_inner;
}

void LayerWalk::backward() {
  if (recompute_ == model::Recompute::kFull) {  // the layer runs again from x, its output beside what follows
    LayerWalk again(held_, sizes_, tuning_, gradients_, model::Recompute::kNone);
    const int64_t x = tuning_.any_before || tuning_.norms ? sizes_.residual : 0;  // is held already
    held_.take(sizes_.residual + again.kept() - x);
    again.backward();
    held_.drop(sizes_.residual + kept() - x);
    return;
  }
  feed_forward_backward();
  norm_backward();
  held_.drop(kept_middle());
  attention_backward();
  norm_backward();
  held_.drop(tuning_.any_before || tuning_.norms ? sizes_.residual + sizes_.inverse_rms : 0);
}

/// The gradient of a norm's output becomes that of its input, and is added to the one that goes around it.
void LayerWalk::norm_backward() {
  held_.take(sizes_.residual + sizes_.norm_partials);
  held_.drop(2 * sizes_.residual + sizes_.norm_partials);
}

/// Of the gradient of an input a rank leaves the sum of its share, the terms for which come from all.
void LayerWalk::scatter_gradient() {
  if (!sizes_.gathers) return;
  held_.touch(sizes_.all_tokens);
  held_.take(sizes_.residual);
  held_.drop(sizes_.all_tokens);
}

/// Leaves the gradient of the second norm's output.
void LayerWalk::feed_forward_backward() {
  held_.take(gathered());
  if (sizes_.routed > 0) return experts_backward();
  mlp_backward(sizes_.inner, sizes_.all_tokens, gradients_.feed_forward);
  held_.drop(sizes_.feed_forward_inner + (sizes_.gathers && tuning_.gate_up && !remakes_ ? sizes_.residual : 0));
  scatter_gradient();
}

/// Of rows whose input and its gradient have `input` bytes.
void LayerWalk::mlp_backward(int64_t inner, int64_t input, int64_t gradients) {
  if (tuning_.down && remakes_products()) held_.take(inner);
  held_.take(inner);  // gradient of the map's input
  held_.take_gradient(gradients / 3);
  if (sizes_.routed == 0) held_.drop(gathered());
  if (tuning_.down) held_.drop(inner);
  held_.take(2 * inner);      // gradients of gate and up,
  held_.drop(inner + 2 * inner);  // for which gate and up are let go
  if (sizes_.joint_gate_up) held_.touch(2 * inner);
  if (tuning_.gate_up && !keeps_rows_) held_.take(input);
  held_.take(input);
  held_.take_gradient(gradients - gradients / 3);
  held_.drop(2 * inner);
  if (tuning_.gate_up) held_.drop(input);
}

/// The rows of all experts are one tensor before and behind them.
void LayerWalk::experts_backward() {
  constexpr int64_t kParts = 8;  // experts work one after another; their number changes little
  held_.take(sizes_.routed);               // gradients of the rows that experts give,
  held_.drop(sizes_.routed + gathered());  // for which those are let go
  if (sizes_.exchanges) held_.touch(sizes_.routed);  // they come from the ranks that have the tokens
  const bool keeps_rows = tuning_.gate_up && keeps_rows_;
  const int64_t norm_rows = remakes_inputs_ ? sizes_.all_tokens : 0;  // made again for the router, and for experts to choose from
  if (!keeps_rows_) held_.take(norm_rows);
  for (int64_t part = 0; part < kParts; ++part) {
    if (keeps_rows) held_.take(sizes_.routed / kParts);  // what mlp_backward drops is a part of the one tensor
    mlp_backward(sizes_.inner / kParts, sizes_.routed / kParts, gradients_.feed_forward / kParts);
  }
  held_.drop(sizes_.routed + (keeps_rows ? sizes_.routed : 0) + sizes_.feed_forward_inner);
  held_.touch(sizes_.routed);    // gradients of the experts' rows become one tensor
  held_.take(sizes_.all_tokens);   // and are summed by token
  held_.drop(sizes_.routed);
  if (keeps_rows_) held_.take(norm_rows);
  held_.touch(sizes_.all_tokens);  // of the router
  held_.drop(sizes_.routing + (tuning_.router && !remakes_ ? sizes_.residual : 0) + norm_rows);
  scatter_gradient();
}

/// Leaves the gradient of the first norm's output.
void LayerWalk::attention_backward() {
  const double out_share = static_cast<double>(sizes_.queries) / static_cast<double>(2 * sizes_.queries + 2 * sizes_.keys);
  const auto out_gradients = static_cast<int64_t>(static_cast<double>(gradients_.attention) * out_share);
  const int64_t maps = sizes_.queries + 2 * sizes_.keys;
  held_.take(gathered());
  held_.take_gradient(out_gradients);
  if (attention_flows()) held_.take(sizes_.queries);  // gradient of the attention's output
  held_.drop(gathered());
  if (attention_flows()) {
    attention_kernel();
    held_.drop(sizes_.queries);
    if (sizes_.rotates) held_.touch(sizes_.queries);
    if (sizes_.joint_qkv) held_.touch(maps);
  }
  if (tuning_.qkv && remakes_inputs_) held_.take(sizes_.all_tokens);
  held_.take(sizes_.all_tokens);
  held_.take_gradient(gradients_.attention - out_gradients);
  if (tuning_.qkv) held_.drop(sizes_.all_tokens + (sizes_.gathers && !remakes_ ? sizes_.residual : 0));
  held_.drop(attention_flows() ? maps + sizes_.attention_inner : kept_attention());
  scatter_gradient();
}

/// What attention kept becomes gradients of q, k and v.
void LayerWalk::attention_kernel() {
  const int64_t maps = sizes_.queries + 2 * sizes_.keys;
  held_.take(sizes_.attention_work);
  held_.take(sizes_.queries + sizes_.key_gradients);
  held_.drop(sizes_.attention_work);
  if (sizes_.key_gradients > 2 * sizes_.keys) {  // of every query head: summed over those that share a key head
    held_.take(2 * sizes_.keys);
    held_.drop(sizes_.key_gradients);
  }
  held_.touch(maps);  // what a group of segments has is put in its place
  held_.drop(2 * sizes_.queries + 2 * sizes_.keys + sizes_.log_sums);
}

}  // namespace ingot::train
