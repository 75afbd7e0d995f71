#include "core/stop.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <string_view>

#include "core/error.h"
#include "core/signal_line.h"

namespace ingot {
namespace {

constexpr int64_t kNone = -1;
std::atomic<int> asked_signal{0};
std::atomic<int> nothing_to_save{0};
std::atomic<int64_t> last_step{kNone}, saved_step{0};

/// Async-signal-safe.
void tell_what_is_lost() {
  SignalLine line;
  line.add("stopped at once by a second signal: ");
  const int64_t done = last_step, saved = saved_step;
  if (done == kNone) {
    line.add("what was under way is not saved");
  } else if (done > saved) {
    line.add("not saved: step ").add(saved + 1).add(" to ").add(done).add("; ");
    if (saved == 0) line.add("there is no checkpoint");
    else line.add("the last checkpoint is of step ").add(saved);
  } else {
    line.add("saved up to step ").add(saved);
  }
  line.write();
}

}  // namespace

void request_stop(int signal_number) {
  if (nothing_to_save > 0) ::_exit(kExitTerminated);
  int none = 0;
  if (asked_signal.compare_exchange_strong(none, signal_number)) return;
  tell_what_is_lost();
  ::_exit(kExitTerminated);
}

int stop_requested() { return asked_signal.load(std::memory_order_relaxed); }

void end_if_stopped(const std::string& doing) {
  if (const int signal = stop_requested()) throw Error(kExitTerminated, fmt::format("stopped by signal {} while {}", signal, doing));
}

NothingToSave::NothingToSave() { ++nothing_to_save; }
NothingToSave::~NothingToSave() { --nothing_to_save; }

void note_step(int64_t step) { last_step = step; }

void note_saved_step(int64_t step) { saved_step = step; }

std::string unsaved_steps() {
  const int64_t done = last_step, saved = saved_step;
  return done > saved ? fmt::format("step {} to {}", saved + 1, done) : std::string();
}

void clear_stop() {
  asked_signal = 0;
  last_step = kNone, saved_step = 0;
}

}  // namespace ingot
