#pragma once

#include "data/shards/preprocess.h"
#include "workflows/train.h"
#include "workflows/train_config.h"

namespace ingot::workflows {

/// Raw files to Megatron shards under OUTPUT/data, without training. Returns the exit code.
int preprocess(const TrainRequest& request);

/// The shards of `dataset` for a run: made, or found whole from before. `name` tells train and eval apart.
data::PreprocessReport prepare_dataset(const TrainConfig& config, const std::vector<std::string>& dataset,
                                       const std::string& name);

}  // namespace ingot::workflows
