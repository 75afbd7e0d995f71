#include "parallel/join.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "launch/rank_variables.h"
#include "parallel/gloo.h"

namespace ingot::parallel {

std::shared_ptr<Communicator> join_ranks(std::chrono::seconds timeout, const std::string& configuration) {
  const auto variables = launch::process_environment();
  const auto found = launch::find_own_rank(variables);
  if (!found) return {&only_rank(), [](Communicator*) {}};
  const auto round = variables(launch::kRoundVariable);
  MeetingPlace place{.going = {.door = {.host = found->master_addr, .port = found->master_port, .token = variables(launch::kTokenVariable).value_or("")},
                               .round = round.value_or("0"), .rank = found->rank, .size = found->size, .configuration = configuration, .timeout = timeout,
                               .serves = found->rank == 0 && !round},
                     .is_served_by_torchrun = variables("TORCHELASTIC_USE_AGENT_STORE") == "True"};
  log_info(fmt::format("rank {} of {} ({}), meeting at {}:{}", found->rank, found->size, found->source, found->master_addr, found->master_port));
  const NothingToSave nothing;
  end_if_stopped("meeting the other ranks, nothing is lost");
  return meet_over_gloo(place);
}

}  // namespace ingot::parallel
