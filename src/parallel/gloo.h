#pragma once

#include <memory>

#include "launch/rank_meeting.h"
#include "parallel/communicator.h"

namespace ingot::parallel {

/// Where the ranks of a job find each other.
struct MeetingPlace {
  launch::RankGoing going;  // its timeout is that of a call, too
  bool is_served_by_torchrun = false;  // by a store of its agent
};

/// The group of all ranks, by LibTorch's Gloo over TCP. Throws CommError when not all came in time, ConfigError when they are configured differently.
std::unique_ptr<Communicator> meet_over_gloo(const MeetingPlace& place);

}  // namespace ingot::parallel
