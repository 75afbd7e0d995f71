#pragma once

#include "config/train_config.h"
#include "hub/model_folder.h"
#include "hub/run_folder.h"

namespace ingot::hub {

/// What a run starts from.
struct OpenedRun {
  bool goes_on = false;          // there are checkpoints of it
  bool tie_word_embeddings = false;  // as its base's files decide: model_folder.h
};

/// Makes a run's folder ready, and lets nothing of another run into it. RUN/run.json says from the first moment what the run
/// is of: base model (its config.json and a digest of its weights), tokenizer, stage, kind, adapter, template. Before the
/// first checkpoint the folder follows the configuration: run.json is written first, then source/ and source_layout/ appear
/// whole. With a checkpoint, what the record says must be what the configuration says. overwrite_output_dir throws away what
/// another run left, never the checkpoints of the same configuration, which a scheduler has started again.
/// The weights of `base` are opened where an earlier session has not seen the same files.
/// Throws ConfigError naming everything that differs and the ways out.
OpenedRun open_run(const config::TrainConfig& config, const ModelFolder& base, const RunFolder& run);

/// Whether the head of a run's base is its embedding, as the run found it when it opened its weights. Throws DataError for a
/// record that is damaged.
bool has_tied_head(const RunFolder& run);

}  // namespace ingot::hub
