#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "config/train_config.h"
#include "data/shards/sampler.h"
#include "hub/model_folder.h"
#include "train/data_place.h"
#include "train/loop.h"

namespace ingot::train {

/// The identity of rows that val_size keeps apart: data and val_size are of the run's own.
inline constexpr const char* kHeldOut = "val_size";

/// Rows to train on and rows to evaluate with.
struct Sources {
  DataSource train;
  std::vector<EvaluationSet> eval;
  uint64_t num_train_rows = 0;
  std::string eval_identity;  // of the rows to evaluate with; empty without any
  Json identity = Json::object();  // what a resumed run must have unchanged: the data and how rows are made of it
};

/// The part of `Sources::identity` that is known before the data is read.
Json rows_identity(const config::TrainConfig& config);

/// The data of a configuration, preprocessed with the model's tokenizer when it is not yet.
Sources open_sources(const config::TrainConfig& config, const hub::ModelFolder& model, const DataPlace& place);

/// The same for stage sft.
Sources open_sft_sources(const config::TrainConfig& config, const hub::ModelFolder& model, const DataPlace& place);

/// What val_size keeps apart of `num_rows`. Throws ConfigError where it leaves nothing to train on, or nothing to evaluate with.
data::Split split_validation(const config::TrainConfig& config, uint64_t num_rows);

}  // namespace ingot::train
