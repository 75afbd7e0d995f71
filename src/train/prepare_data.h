#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/train_config.h"
#include "data/chat/chat_template.h"
#include "data/sft/preprocess_sft.h"
#include "data/shards/preprocess.h"
#include "hub/model_folder.h"

namespace ingot::train {

/// The shards of `dataset` for a run, under OUTPUT/data: made, or found whole from before. `name` tells train and eval apart.
data::PreprocessReport prepare_dataset(const config::TrainConfig& config, const hub::ModelFolder& model,
                                       const std::vector<std::string>& dataset, const std::string& name);

/// The same for stage sft: one set of shards, OUTPUT/data/NAME_1 ..., for each data set.
std::vector<data::SftReport> prepare_sft(const config::TrainConfig& config, const hub::ModelFolder& model,
                                         const std::vector<std::string>& dataset, const std::string& name);

/// Names columns that hold something and are not used, in one line.
void report_unused(const std::string& dataset, const data::ColumnCounts& unused);

/// How a configuration makes a sample of a conversation.
data::SampleOptions sample_options(const config::TrainConfig& config);

/// The chat template of a configuration.
std::unique_ptr<data::ChatTemplate> open_chat_template(const config::TrainConfig& config);

}  // namespace ingot::train
