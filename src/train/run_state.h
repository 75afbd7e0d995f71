#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "checkpoint/run_checkpoint.h"
#include "model/causal_lm.h"
#include "train/evaluate.h"
#include "train/optimizer.h"
#include "train/run_identity.h"

namespace ingot::train {

/// Where a run stands between two steps.
struct RunPosition {
  int64_t step = 0;               // updates done
  uint64_t consumed_samples = 0;  // the next step begins at this global sample index
  int64_t evaluated_step = -1;    // of last_evaluation
  std::optional<Evaluation> first_evaluation{}, last_evaluation{};  // the first is of the model before its first step
  std::string eval_identity{};  // of the rows that both were made with; empty: not known
};

/// Everything a checkpoint holds: "model.NAME" of every trainable parameter, the optimizer's tensors, and the position and
/// identity as JSON. The tensors share memory with model and optimizer.
/// Of the ranks of the mesh that have the same part of the model the first writes it.
checkpoint::RunState pack_run_state(const model::CausalLm& model, const Optimizer& optimizer, const RunPosition& position,
                                    const RunIdentity& identity, const parallel::Mesh& mesh = parallel::only_rank());

/// Reads a checkpoint into model and optimizer and tells its position, after check_identity. Throws DataError naming
/// the checkpoint's folder and the field or tensor when something is missing or of another kind.
RunPosition restore_run_state(const checkpoint::LoadedCheckpoint& loaded, const model::CausalLm& model,
                              Optimizer& optimizer, const RunIdentity& identity);

}  // namespace ingot::train
