#pragma once

#include <cstdint>
#include <vector>

#include "train/plan/pipeline_clock.h"
#include "train/plan/stage_load.h"

namespace ingot::train {

/// What a plan's seconds are made from. The defaults are of a node of eight Ascend 910B: matrix products reach 200 TFLOP/s of bf16
/// (the throughput that MindSpeed-LLM publishes for 7B to 72B is 155 to 205), HCCS and one 200 Gbit/s port a device. Latency and the rate of
/// memory are round numbers.
struct Hardware {
  double flops = 200e12;          // a device
  double link = 150e9;            // bytes/s of a device to others of its node
  double network = 25e9;          // bytes/s of a device to other nodes
  double latency = 10e-6;         // seconds of a message beside its bytes
  double memory_rate = 1e12;      // bytes/s that a device reads and writes in the optimizer
  double layer = 0;               // seconds that a micro-batch takes in a layer beside the arithmetic; backward twice that
  double at_once = 0;             // ranks that can compute at these rates at one time, as a machine's cores; more share them. 0: all
  double disk = 2e9;              // bytes/s of the storage of checkpoints, for all ranks together
  int64_t devices_per_node = 8;
};

/// Seconds are means over the pipeline ranks. Nothing overlaps but what one rank does while another waits.
struct StepTime {
  double compute = 0, exchange = 0, memory = 0;
  double bubble = 0;                 // share of the step in which a rank waits for others
  double seconds = 0;
  double tokens_per_second = 0;      // over all ranks
  double rate_share = 0;             // of the devices' `flops`, as arithmetic that is not computed again
  std::vector<RankClock> ranks;      // of each pipeline rank
};

/// Runs the step of one data and tensor parallel rank on all pipeline ranks: pipeline_clock.h.
StepTime step_time(const RunShape& shape, const std::vector<StageLoad>& loads, double needed_flops, const Hardware& hardware);

/// Of a checkpoint: trained weights and the optimizer's state, once.
struct CheckpointNeed {
  int64_t bytes = 0;
  double seconds = 0;
};
CheckpointNeed checkpoint_need(const RunShape& shape, const std::vector<PlannedParameter>& parameters, const Hardware& hardware);

}  // namespace ingot::train
