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
  const auto found = launch::find_rank_variables(variables);
  if (!found || (found->is_rank && found->size == 1)) return {&only_rank(), [](Communicator*) {}};
  if (!found->is_rank) {
    if (found->num_nodes == 1) return {&only_rank(), [](Communicator*) {}};
    throw ConfigError(fmt::format("{} says that this is node {} of {}: start it with ingot launch, which starts the ranks of a node", found->source,
                                  found->node_rank, found->num_nodes));
  }
  MeetingPlace place{.host = found->master_addr, .port = found->master_port, .rank = found->rank, .size = found->size, .timeout = timeout};
  if (const auto listener = variables("INGOT_LISTENER")) place.listener = std::stoi(*listener);
  place.is_served = variables("TORCHELASTIC_USE_AGENT_STORE") == "True";
  log_info(fmt::format("rank {} of {} ({}), meeting at {}:{}", place.rank, place.size, found->source, place.host, place.port));
  const NothingToSave nothing;
  end_if_stopped("meeting the other ranks, nothing is lost");
  return meet_over_gloo(place);
}

}  // namespace ingot::parallel
