#pragma once

#include <cstdint>
#include <string>

namespace ingot {

/// What the machine, or the control group that holds the process, has.
struct Memory {
  uint64_t available = 0, total = 0;  // bytes; available: without taking any from another process
};
Memory machine_memory();

/// What a run is known to need, for the message of a failed allocation. Empty: nothing is known.
void note_memory_need(std::string text);

/// "8.00 GiB of 15.60 GiB are available" and, where it was noted, what the run needs.
std::string memory_text();

}  // namespace ingot
