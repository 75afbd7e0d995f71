#pragma once

#include "config/train_config.h"
#include "hub/run_folder.h"

namespace ingot::hub {

/// Makes a run's folder ready, and lets nothing of another run into it. RUN/run.json says from the first moment what the run
/// is of: base model (its config.json and a digest of its weights), tokenizer, stage, kind, adapter, template. Before the
/// first checkpoint the folder follows the configuration: run.json is written first, then source/ and source_layout/ appear
/// whole. With a checkpoint, what the record says must be what the configuration says. overwrite_output_dir throws away what
/// another run left, never the checkpoints of the same configuration, which a scheduler has started again.
/// Throws ConfigError naming everything that differs and the ways out.
void open_run(const config::TrainConfig& config, const RunFolder& run);

}  // namespace ingot::hub
