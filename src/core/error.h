#pragma once

#include <stdexcept>
#include <string>

namespace ingot {

/// Exit codes of the program, documented in README and `ingot --help`.
enum ExitCode : int {
  kExitOk = 0,
  kExitConfig = 2,       // the user edits a file or a flag
  kExitData = 3,         // a file is bad
  kExitComm = 4,         // a peer, device, disk or network failed
  kExitBug = 70,         // anything else that escapes is ours
  kExitTerminated = 143  // a signal came, the state is saved
};

/// What every expected failure is thrown as. The message is one line that names the file or field,
/// the value found and the value wanted.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode exit_code() const { return code_; }

 private:
  ExitCode code_;
};

/// The user has to edit a configuration, a flag or a path.
struct ConfigError : Error {
  explicit ConfigError(const std::string& message) : Error(kExitConfig, message) {}
};

/// A file is damaged, hostile or not of the kind it claims to be.
struct DataError : Error {
  explicit DataError(const std::string& message) : Error(kExitData, message) {}
};

/// A peer, a device, a disk or the network failed.
struct CommError : Error {
  explicit CommError(const std::string& message) : Error(kExitComm, message) {}
};

}  // namespace ingot
