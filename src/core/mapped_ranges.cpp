#include "core/mapped_ranges.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>

#include "core/error.h"
#include "core/signal_line.h"

namespace ingot {
namespace {

struct Range {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<size_t> size{0};
  std::atomic<const char*> name{nullptr};
};
std::array<Range, 4096> ranges;

/// The name of the file that is mapped at the address, or null. Async-signal-safe.
const char* file_at(uintptr_t address) {
  for (const auto& range : ranges) {
    const uintptr_t begin = range.begin;
    if (begin != 0 && address >= begin && address - begin < range.size) return range.name;
  }
  return nullptr;
}

void on_bus_error(int number, siginfo_t* info, void*) {
  const char* file = file_at(reinterpret_cast<uintptr_t>(info->si_addr));
  if (file == nullptr) {
    std::signal(number, SIG_DFL);
    return;  // the instruction runs again and ends the process
  }
  SignalLine().add(file).add(": cannot be read any more: it was cut short while it was in use, or its disk failed").write();
  ::_exit(kExitComm);
}

}  // namespace

void add_mapped_range(const void* begin, size_t size, const char* name) {
  for (auto& range : ranges) {
    uintptr_t none = 0;
    if (range.begin != 0 || !range.begin.compare_exchange_strong(none, reinterpret_cast<uintptr_t>(begin))) continue;
    range.name = name, range.size = size;
    return;
  }
}

void remove_mapped_range(const void* begin) {
  for (auto& range : ranges)
    if (range.begin == reinterpret_cast<uintptr_t>(begin)) {
      range.size = 0;
      range.begin = 0;
      return;
    }
}

void report_lost_mappings() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace ingot
