#pragma once

#include "data/chat/chat_template.h"
#include "data/sft/preprocess_sft.h"
#include "data/shards/preprocess.h"
#include "workflows/train.h"
#include "workflows/train_config.h"

namespace ingot::workflows {

/// Raw files to shards under OUTPUT/data, without training. Returns the exit code.
int preprocess(const TrainRequest& request);

/// The shards of `dataset` for a run: made, or found whole from before. `name` tells train and eval apart.
data::PreprocessReport prepare_dataset(const TrainConfig& config, const std::vector<std::string>& dataset,
                                       const std::string& name);

/// The same for stage sft: one set of shards, OUTPUT/data/NAME_1 ..., for each data set.
std::vector<data::SftReport> prepare_sft(const TrainConfig& config, const std::vector<std::string>& dataset, const std::string& name);

/// The chat template of a configuration.
std::unique_ptr<data::ChatTemplate> open_chat_template(const TrainConfig& config);

}  // namespace ingot::workflows
