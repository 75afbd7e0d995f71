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

/// How the ranks of a job, processes, share a run.
struct Sharing {
  parallel::Layout processes, logical;
  /// Logical ranks of a process, each a thread of it.
  int64_t threads() const { return logical.tp / processes.tp * (logical.cp / processes.cp); }
  /// The number in the logical layout of the rank that is thread `world_rank` of all.
  int64_t logical_rank(int64_t world_rank) const;
};

}  // namespace ingot::workflows
