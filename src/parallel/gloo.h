#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// Where the ranks of a job find each other.
struct MeetingPlace {
  std::string host;  // of rank 0
  uint16_t port = 0;
  int64_t rank = 0, size = 1;
  std::chrono::seconds timeout{600};  // of a call, and of the meeting
  std::chrono::seconds patience{60};  // for a host name that has no address yet, as a pod's has not at first
  bool is_served = false;  // by somebody else than rank 0, as torchrun's agent does
  int listener = -1;  // of rank 0: a socket that already listens at host and port; -1: it makes one
};

/// The group of all ranks, by LibTorch's Gloo over TCP. Throws CommError when not all came in time.
std::unique_ptr<Communicator> meet_over_gloo(const MeetingPlace& place);

}  // namespace ingot::parallel
