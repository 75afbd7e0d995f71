#include "parallel/join.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "launch/rank_variables.h"
#include "parallel/gloo.h"

namespace ingot::parallel {

std::shared_ptr<Communicator> join_ranks(std::chrono::seconds timeout) {
  const auto variables = launch::process_environment();
  const auto found = launch::find_own_rank(variables);
  if (!found) return {&only_rank(), [](Communicator*) {}};
  MeetingPlace place{.host = found->master_addr, .port = found->master_port, .rank = found->rank, .size = found->size, .timeout = timeout};
  if (const auto listener = variables("INGOT_LISTENER")) place.listener = std::stoi(*listener);
  place.is_served = variables("TORCHELASTIC_USE_AGENT_STORE") == "True";
  log_info(fmt::format("rank {} of {} ({}), meeting at {}:{}", place.rank, place.size, found->source, place.host, place.port));
  const NothingToSave nothing;
  end_if_stopped("meeting the other ranks, nothing is lost");
  return meet_over_gloo(place);
}

}  // namespace ingot::parallel
