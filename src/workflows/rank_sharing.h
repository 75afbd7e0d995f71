#pragma once

#include <cstdint>

#include "config/train_config.h"
#include "core/problems.h"
#include "parallel/layout.h"

namespace ingot::workflows {

/// How so many ranks share a run; those that its sizes do not divide are left out.
parallel::Layout layout_of(const config::TrainConfig& config, int64_t ranks);

/// Adds what a configuration breaks when so many ranks share its run.
void check_sharing(const config::TrainConfig& config, int64_t ranks, Problems& problems);

/// The largest number of ranks, up to `most`, that a configuration's run can be shared by; 0 where there is none.
int64_t most_ranks(const config::TrainConfig& config, int64_t most);

}  // namespace ingot::workflows
