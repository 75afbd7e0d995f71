#pragma once

#include "config/train_config.h"
#include "hub/lora.h"
#include "hub/model_folder.h"
#include "hub/run_record.h"

namespace ingot::workflows {

/// The adapter that a configuration asks for.
hub::LoraRequest lora_request(const config::TrainConfig& config);

/// What a configuration says about its arithmetic.
hub::ComputeWords compute_words(const config::TrainConfig& config);

/// The model that a run starts from, with the vocabulary of its tokenizer where resize_vocab asks for it. Throws ConfigError, DataError.
hub::ModelFolder open_base(const config::TrainConfig& config);

/// What `train` and `train --check` refuse before data is prepared, a weight is loaded or anything is written: a learning-rate schedule
/// without room, keys that the model has no use for, a device that is not there, an output_dir that cannot be written to, a disk too
/// small, memory as plan_train.h says, data and tokenizer as train/check_data.h says. Warns of rows that are longer than the model's positions. Throws ConfigError
/// with every problem of the first two kinds, ConfigError, DataError, CommError.
void check_start(const config::TrainConfig& config, const hub::ModelFolder& base, bool force);

/// The same of what `begun` decides: weights that the model does not fit, where it is filled from them, and checkpoints to go on from
/// that were made with other settings, as far as those are known before the data is prepared.
void check_origin(const config::TrainConfig& config, const hub::ModelFolder& base, const hub::RunStart& begun);

}  // namespace ingot::workflows
