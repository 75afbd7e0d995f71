#pragma once

#include "config/train_config.h"
#include "hub/lora.h"
#include "hub/model_folder.h"

namespace ingot::workflows {

/// The adapter that a configuration asks for.
hub::LoraRequest lora_request(const config::TrainConfig& config);

/// What `train` and `train --check` refuse before data is read, a weight is loaded or anything is written: a learning-rate schedule
/// without room, keys that the model has no use for, an output_dir that cannot be written to, a disk too small. Warns of rows that are
/// longer than the model's positions. Throws ConfigError with every problem of the first two kinds, ConfigError, CommError.
void check_start(const config::TrainConfig& config, const hub::ModelFolder& base);

}  // namespace ingot::workflows
