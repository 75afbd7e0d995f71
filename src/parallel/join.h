#pragma once

#include <chrono>
#include <memory>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// The ranks of the job that this process was started for, as the variables of its launcher say (launch/rank_variables.h): all of them have
/// come when it returns. Alone, when there are no such variables. A call waits `timeout` for the other ranks.
/// Throws ConfigError for variables that contradict each other, CommError when not all came in time.
std::shared_ptr<Communicator> join_ranks(std::chrono::seconds timeout);

}  // namespace ingot::parallel
