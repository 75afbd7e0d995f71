#pragma once

#include "config/train_config.h"
#include "core/problems.h"

namespace ingot::config {

/// Reports every path of a configuration that is not there, begins with ~, or lies where the run writes, and an output_dir in a data
/// set's folder.
void check_paths(Problems& problems, const TrainConfig& config);

}  // namespace ingot::config
