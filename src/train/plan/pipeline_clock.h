#pragma once

#include <cstdint>
#include <vector>

namespace ingot::train {

/// Seconds of a rank that has its device to itself.
struct Spent {
  double compute = 0, exchange = 0, memory = 0;  // matrix products; sums over ranks; the optimizer's passes over its tensors
  double total() const { return compute + exchange + memory; }
  void add(const Spent& other) { compute += other.compute, exchange += other.exchange, memory += other.memory; }
  Spent times(double factor) const { return {compute * factor, exchange * factor, memory * factor}; }
};

/// The passes of one micro-batch through a stage.
struct StagePasses { Spent forward, backward; };

/// The passes of a step, as parallel/pipeline.h orders them. Ranks that share the batch or the matrices do the same at the same time as the
/// one that stands here for them.
struct PipelineLoad {
  int64_t ranks = 1, chunks = 1, micro_batches = 1;
  std::vector<StagePasses> stages;        // ranks * chunks
  double message = 0, latency = 0;        // seconds of a message to another stage: on the sender's link, one behind another; and beyond
  double alike = 1;                       // ranks that one stands for, itself too
  double at_once = 0;                     // ranks, of all, that their devices serve at full speed; more share them evenly. 0: any number
};

/// What became of a rank's time; the parts add up to the same for every rank.
struct RankClock {
  Spent spent;         // longer than alone where devices are shared
  double waiting = 0;  // for messages, and at the end for the slowest rank
  double total() const { return spent.total() + waiting; }
};

/// Runs the passes as discrete events: a rank does its tasks in order, waits for what it receives and never for what it sends. Of many
/// micro-batches the first and last are run, and those between take what each group of as many as there are ranks takes.
std::vector<RankClock> pipeline_clocks(const PipelineLoad& load);

/// Every rank does its own share and then waits for the slowest; devices are shared as above.
std::vector<RankClock> joint_clocks(const std::vector<Spent>& shares, double alike, double at_once);

}  // namespace ingot::train
