#include "core/stop.h"

#include <unistd.h>

#include <atomic>

namespace ingot {
namespace {
std::atomic<int> asked_signal{0};
}

void request_stop(int signal_number) {
  int none = 0;
  if (!asked_signal.compare_exchange_strong(none, signal_number)) ::_exit(128 + signal_number);
}

int stop_requested() { return asked_signal.load(std::memory_order_relaxed); }

void clear_stop() { asked_signal = 0; }

}  // namespace ingot
