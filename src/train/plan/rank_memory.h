#pragma once

#include <cstdint>
#include <vector>

#include "train/plan/layer_sizes.h"
#include "train/plan/planned_parameters.h"
#include "train/plan/run_shape.h"

namespace ingot::train {

/// Bytes of one rank in the fullest moment of a step; where gradients are summed over micro-batches, of the last one of them.
struct RankMemory {
  int64_t weights = 0;      // as the model computes with them
  int64_t gradients = 0;    // sums and those of the micro-batch under way, at that moment
  int64_t optimizer = 0;    // moments, and float32 masters of bf16 weights
  int64_t activations = 0;  // everything else that a step makes, at that moment
  int64_t merge = 0;        // what the merge of an adapter, behind the last step, takes beyond all of that
  int64_t most_activations = 0;  // at any moment; not a part of the total
  int64_t total() const { return weights + gradients + optimizer + activations + merge; }
};

/// Of a rank of pipeline stage `stage`; `counts` are those of the shape's tp and ep.
RankMemory rank_memory(const RunShape& shape, const std::vector<LayerTuning>& tunings, const PartCounts& counts, int64_t stage);

/// Bytes of the program, its libraries and their buffers on a CPU; measured.
inline constexpr int64_t kProgramBytes = int64_t{192} << 20;

}  // namespace ingot::train
