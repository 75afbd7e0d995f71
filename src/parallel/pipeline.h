#pragma once

#include <cstdint>
#include <vector>

namespace ingot::parallel {

/// Layers that are alike, and the head behind them, whose work is that of so many of them.
struct DealtLayers {
  int64_t count = 0;
  double head = 0;
};

/// How a model's layers are cut into stages, which pipeline ranks hold in turn: stage s is chunk s / ranks of rank s % ranks. Stage 0 has the
/// embedding, the last one the final norm and the head. Source: Narayanan et al. 2021 (interleaved stages).
struct PipelineCut {
  int64_t ranks = 1, chunks = 1;  // chunks of each rank
  int64_t rank = 0;               // this one
  int64_t num_stages() const { return ranks * chunks; }
  int64_t stage_of(int64_t chunk) const { return chunk * ranks + rank; }
  bool is_first(int64_t chunk) const { return stage_of(chunk) == 0; }
  bool is_last(int64_t chunk) const { return stage_of(chunk) == num_stages() - 1; }
  bool has_first() const { return rank == 0; }
  bool has_last() const { return rank == ranks - 1; }
  /// The chunk of this rank that has the layer, -1 where another rank has it.
  int64_t chunk_of_layer(int64_t layer, const DealtLayers& dealt) const;
};

/// The layers [first, end) of stage `stage` of `stages`, each of which has one or more where there are as many: the last stage has as many fewer as makes the stage with
/// most work do least; the others differ by at most one.
struct StageLayers { int64_t first, end; };
StageLayers stage_layers(const DealtLayers& dealt, int64_t stages, int64_t stage);

/// A pass of one micro-batch through one chunk of a rank.
struct PipelineTask {
  enum class Pass { kForward, kBackward };
  Pass pass;
  int64_t chunk, micro_batch;
  bool operator==(const PipelineTask&) const = default;
};

/// What pipeline rank `rank` does in a step, in order: forward passes until the pipeline is filled, then one backward and one forward pass in
/// turn (1F1B), so that it keeps as few micro-batches as it can. Of each chunk both passes take the micro-batches in order. No rank waits for a
/// message that is sent only after one that it is to send itself, if sending does not wait.
std::vector<PipelineTask> pipeline_tasks(const PipelineCut& cut, int64_t num_micro_batches);

/// Chunks that have passed forward and wait for their backward pass, at most.
int64_t most_in_flight(const PipelineCut& cut);

}  // namespace ingot::parallel
