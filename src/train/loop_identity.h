#pragma once

#include <string>
#include <vector>

#include "model/causal_lm.h"
#include "train/data_source.h"
#include "train/loop.h"
#include "train/run_identity.h"

namespace ingot::train {

/// What a run of the loop is known by.
RunIdentity identity_of(const LoopConfig& config, const model::CausalLm& model, const DataSource& train);

/// How what a resumed run must have unchanged differs from the newest checkpoint in output_dir; empty when there is none to be read.
std::vector<std::string> differences_from_checkpoint(const model::CausalLm& model, const DataSource& train, const LoopConfig& config);

/// Throws ConfigError, as run_loop would, for the newest checkpoint in output_dir when it was made with other values of the fields that
/// are known before the data is read: those of `config`. `type` is that of the arithmetic.
void check_resume(const LoopConfig& config, at::ScalarType type);

}  // namespace ingot::train
