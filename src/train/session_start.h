#pragma once

#include <string>

#include "train/loop.h"
#include "train/run_state.h"

namespace ingot::train {

/// Where a session of a run begins.
struct SessionStart {
  bool resumed = false;  // from a checkpoint
  RunPosition position;
};

/// Fills model and optimizer from the newest good checkpoint in config.output_dir, or the masters of a run that has none. Calls
/// config.before_writing on the way. The evaluations of other rows than `eval_identity` says are left out of the position. Every rank calls it.
/// Throws ConfigError when the checkpoint belongs to another run, or is there and config.resume is false.
SessionStart begin_session(const LoopConfig& config, const Disks& disks, const parallel::Mesh& mesh, const model::CausalLm& model, Optimizer& optimizer,
                           const RunIdentity& identity, const std::string& eval_identity);

}  // namespace ingot::train
