#pragma once

namespace ingot {

/// Asks long work to save and end. Called from a signal handler; the second call within the process leaves at once.
void request_stop(int signal_number);

/// The signal that asked to stop, or 0. Loops read it between steps.
int stop_requested();

/// Forgets a request. For tests.
void clear_stop();

}  // namespace ingot
