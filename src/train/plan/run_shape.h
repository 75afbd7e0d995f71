#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/decoder_config.h"
#include "model/recompute.h"
#include "parallel/layout.h"

namespace ingot::train {

inline constexpr int64_t kFloatBytes = 4;  // of a float32: sums, statistics, masters

/// What is trained: the whole model, or a LoRA adapter as config::TrainConfig's keys lora_target and additional_target name it.
struct Tuning {
  bool lora = false;
  int64_t rank = 8;
  std::vector<std::string> target{"all"}, whole;
  bool target_is_expression = false;
  bool of_adapter = false;  // to go on from: its names may be another version's, and are checked when it is read
  bool operator==(const Tuning&) const = default;
};

/// Everything that memory, traffic and time of a training step follow from. No tensor is made and no weight is read.
struct RunShape {
  model::DecoderConfig model;
  Tuning tuning;
  int64_t value_bytes = 2;           // of weights and activations: 2 in bf16, with fp32 masters; 4 in fp32
  model::Recompute recompute = model::Recompute::kNone;
  int64_t seq_length = 1024;
  int64_t micro_batch = 1, global_batch = 8;  // rows
  parallel::Layout layout;
  int64_t zero_stage = 0;            // what the data parallel ranks share: 1 the optimizer's state, 2 and gradient sums, 3 and matrices
  bool ignores_labels = false;       // some tokens are no labels, as in conversations
  int64_t logical_shards = 0;        // of reproducible sums, see StepPlan
  bool bf16_blocks = false;          // the CPU multiplies bf16 blocks itself; see ops/block_attention.h

  bool shards_gradients() const { return zero_stage >= 2 && logical_shards == 0; }  // in a tree they are summed whole
  int64_t micro_batches() const { return global_batch / (micro_batch * layout.dp); }  // of each rank in a step
  int64_t tokens() const { return micro_batch * seq_length / layout.cp; }             // of a rank's micro-batch
  int64_t share_of_tokens() const { return (tokens() + layout.tp - 1) / layout.tp; }  // of them those that a tp rank has between the matrices
  int64_t step_tokens() const { return global_batch * seq_length; }
};

}  // namespace ingot::train
