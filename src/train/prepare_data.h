#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/train_config.h"
#include "data/chat/chat_template.h"
#include "data/sft/preprocess_sft.h"
#include "data/shards/preprocess.h"
#include "hub/model_description.h"
#include "train/data_place.h"

namespace ingot::train {

/// A data set, or several, and what their shards are called.
struct NamedSets {
  const std::vector<std::string>& paths;
  std::string name;  // "train" or "eval"
};

/// The shards of data sets for a run, which check_data has let through: made, or found whole from before. Ranks other than 0 help to make
/// them and get an empty report.
data::PreprocessReport prepare_dataset(const config::TrainConfig& config, const hub::ModelDescription& model, const NamedSets& sets,
                                       const DataPlace& place, data::JobRank rank = {});

/// The same for stage sft: one set of shards, NAME_1 ..., for each data set.
std::vector<data::SftReport> prepare_sft(const config::TrainConfig& config, const hub::ModelDescription& model, const NamedSets& sets,
                                         const DataPlace& place, data::JobRank rank = {});

/// Names columns that hold something and are not used, in one line.
void report_unused(const std::string& dataset, const data::ColumnCounts& unused);

/// How a configuration makes a sample of a conversation.
data::SampleOptions sample_options(const config::TrainConfig& config);

/// The chat template of a configuration.
std::unique_ptr<data::ChatTemplate> open_chat_template(const config::TrainConfig& config);

}  // namespace ingot::train
