#pragma once

#include <cstdint>
#include <optional>

#include "config/train_config.h"
#include "train/loop.h"

namespace ingot::train {

/// Into how many parts a configuration cuts the matrices.
int64_t num_tensor_shards(const config::TrainConfig& config);
int64_t num_context_shards(const config::TrainConfig& config);  // the same of the tokens of a row

/// The loop that a configuration asks for; `num_rows` are those of an epoch. Without max_steps and before the rows are counted
/// it has no end: then check() finds what no number of steps could mend.
LoopConfig make_loop_config(const config::TrainConfig& config, std::optional<uint64_t> num_rows);

}  // namespace ingot::train
