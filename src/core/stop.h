#pragma once

#include <cstdint>
#include <string>

namespace ingot {

/// Asks long work to save and end. Called from a signal handler. The second call within the process ends it at once with exit
/// code 143, after a line on standard error that says what is not saved.
void request_stop(int signal_number);

/// The signal that asked to stop, or 0. Loops read it between any two pieces of work that may take a second.
int stop_requested();

/// Throws Error with kExitTerminated, "stopped by signal N while DOING", when a stop is asked for.
void end_if_stopped(const std::string& doing);

/// What a second signal speaks of: a run's last step done, and the last one that is in a checkpoint.
void note_step(int64_t step);
void note_saved_step(int64_t step);

/// "step 4 to 7", those done that are in no checkpoint; empty where there are none.
std::string unsaved_steps();

/// While one lives there is nothing to save: the first signal, too, ends the process at once, with exit code 143.
class NothingToSave {
 public:
  NothingToSave();
  ~NothingToSave();
  NothingToSave(const NothingToSave&) = delete;
  NothingToSave& operator=(const NothingToSave&) = delete;
};

/// Forgets a request and both steps. For tests.
void clear_stop();

}  // namespace ingot
