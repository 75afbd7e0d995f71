#pragma once

#include <cstdint>
#include <vector>

#include "train/plan/planned_parameters.h"
#include "train/plan/run_shape.h"

namespace ingot::train {

/// What of a layer is trained, and so needs inputs kept.
struct LayerTuning {
  bool qkv = false, attention_out = false, router = false, gate_up = false, down = false, norms = false;
  bool any_before = false;  // something is trained below it, so that a gradient goes on
  int64_t attention_ranks = 0, feed_forward_ranks = 0;  // sums of the ranks of its adapters; of one expert
};
std::vector<LayerTuning> layer_tunings(const std::vector<PlannedParameter>& parameters, const model::DecoderConfig& config);

/// Bytes of the tensors of a layer's passes over a micro-batch, on one rank. Names are those of model/decoder_layer.cpp.
struct LayerSizes {
  LayerSizes(const RunShape& shape, const LayerTuning& tuning, int64_t layer);
  int64_t residual;         // [tokens, hidden]      x, norms and their gradients; of a rank of tp its share
  int64_t all_tokens;       // [tokens, hidden]      of all tokens: what goes into matrices and comes out of them
  bool gathers;             // for that the ranks of tp exchange their shares
  int64_t queries, keys;    // [tokens, heads * head_dim], [tokens, kv_heads * head_dim]; values are like keys
  int64_t inner;            // [rows, ffn]           of gate, up and SwiGLU; rows: tokens, of experts tokens * choices
  int64_t routed = 0;       // [tokens * choices, hidden]  0 without experts
  bool exchanges = false;   // routed rows with the ranks that have their experts
  int64_t log_sums;         // [tokens, heads]       float32, of the softmax
  int64_t inverse_rms;      // [tokens]              float32, of a norm; its share
  int64_t norm_partials;    // [tasks, hidden]       float32, of a norm's weight gradient
  int64_t routing = 0;      // what the router keeps
  int64_t attention_inner, feed_forward_inner;  // [rows, rank] of adapters
  int64_t attention_work = 0;  // what the kernel of attention's backward pass holds beside its inputs and gradients
  int64_t key_gradients;    // of keys and values as that kernel makes them
  bool rotates, joint_qkv, joint_gate_up;  // joint: one matrix for several maps
};

}  // namespace ingot::train
