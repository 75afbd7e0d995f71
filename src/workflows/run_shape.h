#pragma once

#include "config/train_config.h"
#include "model/decoder_config.h"
#include "train/plan/planner.h"

namespace ingot::workflows {

/// The shape of a configuration's run on `ranks` data parallel ranks. `is_bf16`: what its precision means on its device.
train::RunShape run_shape(const config::TrainConfig& config, const model::DecoderConfig& model, bool is_bf16, int64_t ranks);

/// Of the key's value: none, selective, full; and the way back.
model::Recompute recompute_of(const std::string& name);
const char* word_of(model::Recompute kind);

/// What a configuration's precision means on a CPU.
bool is_bf16_here(const config::TrainConfig& config);

/// What this CPU's matrix products and the disk under it are taken for, where the user says nothing: its cores are dealt to the ranks, and
/// more ranks than cores share them.
train::Hardware cpu_hardware(bool is_bf16, int64_t ranks);

/// A fit of one rank into its share of a memory.
struct Room {
  int64_t memory = 0;   // bytes that a rank may take
  int64_t program = 0;  // of them, what the program takes
  bool holds(const train::Estimate& estimate) const { return estimate.rank.total() + program <= memory; }
};

}  // namespace ingot::workflows
