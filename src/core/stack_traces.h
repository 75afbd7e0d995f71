#pragma once

namespace ingot {

/// From now on SIGUSR1 writes to standard error what every thread of this process is doing, a line a call, and the process goes on; a fault
/// (SIGSEGV, SIGILL, SIGFPE, SIGABRT) writes that of its thread before it ends the process. A line has the program or library, the name of the
/// function where the library tells it, and the offset, for addr2line.
void report_stacks();

}  // namespace ingot
