#pragma once

#include "launch/meeting_client.h"
#include "launch/rank_group.h"

namespace ingot::launch {

/// A host of a job: it goes to the meeting (host_desk.h) and runs the ranks that it is dealt.
struct HostGoing {
  Door door;
  int64_t place = 0;      // --node-rank; -1: any but the first
  int64_t count = 1;      // ranks that it can run,
  int64_t min_count = 1;  // less one for each that was killed, down to this
  LocalRanks ranks;       // of it, all but which they are
};

/// Runs ranks until the job has ended, and returns its exit code. Throws CommError when the host of node 0 is gone, silent for longer than
/// `ranks.silence`, or refuses this one: no rank runs then any more.
int attend(const HostGoing& going);

}  // namespace ingot::launch
