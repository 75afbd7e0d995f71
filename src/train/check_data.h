#pragma once

#include "config/train_config.h"
#include "hub/model_description.h"

namespace ingot::train {

/// What would end the preparation of a run's data before it gave a row: a tokenizer that lacks the eos of append_eod or the tokens of
/// the template, a data set without data files, files without one text in a column of json_keys or without one conversation.
/// Reads as far as the first of them. Throws ConfigError or DataError.
void check_data(const config::TrainConfig& config, const hub::ModelDescription& model);

}  // namespace ingot::train
