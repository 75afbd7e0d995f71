#pragma once

#include <exception>
#include <string>

#include "core/error.h"

namespace ingot {

/// How the program ends after something was thrown, and the line that says why.
struct Failure {
  ExitCode code = kExitBug;
  std::string message;
};

/// Of one of our errors what it says. What the system refused (a path, a thread, memory) is told from our own bugs: a path that
/// the user can change is exit code 2 and named, a disk, a thread or memory is 4.
Failure describe_failure(const std::exception& error);

/// kExitComm where a failed call says that a disk, a network or the machine has no more to give, kExitConfig where another
/// path or other rights would mend it.
ExitCode exit_code_of(int system_error);

/// Throws CommError or ConfigError by that code.
[[noreturn]] void throw_refused(int system_error, const std::string& message);

}  // namespace ingot
