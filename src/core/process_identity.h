#pragma once

#include <cstdint>
#include <string>

namespace ingot {

/// A process as others can tell it from every other, also on another machine or after a restart.
struct ProcessIdentity {
  std::string host, machine;  // host name and /etc/machine-id
  std::string boot;           // the kernel's random id of this boot
  std::string namespaces;     // in which its process numbers and times count: a container has its own
  int64_t pid = 0;
  int64_t started = 0;  // clock ticks after the boot: tells a process from an earlier one with the same number
};

ProcessIdentity this_process();

enum class Liveness { kAlive, kDead, kUnseen };

/// kDead is proof: this machine has no such process any more, or has been restarted since. kUnseen: a process of another
/// machine or container, of which nothing is known from here.
Liveness liveness_of(const ProcessIdentity& process);

}  // namespace ingot
