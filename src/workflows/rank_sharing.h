#pragma once

#include <cstdint>

#include "config/train_config.h"
#include "core/problems.h"

namespace ingot::workflows {

/// Adds what a configuration breaks when so many ranks share its run.
void check_sharing(const config::TrainConfig& config, int64_t ranks, Problems& problems);

/// The largest number of ranks, up to `most`, that a configuration's run can be shared by; 0 where there is none.
int64_t most_ranks(const config::TrainConfig& config, int64_t most);

}  // namespace ingot::workflows
