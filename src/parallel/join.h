#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// The ranks of the job that this process was started for, as the variables of its launcher say (launch/rank_variables.h): all of them have
/// come when it returns. Alone, when there are no such variables. A call waits `timeout` for the other ranks; `configuration`, a line
/// "key: value" each, must be the same on all. Throws ConfigError for variables that contradict each other and for other configurations,
/// CommError when not all came in time.
std::shared_ptr<Communicator> join_ranks(std::chrono::seconds timeout, const std::string& configuration);

}  // namespace ingot::parallel
