#pragma once

#include <filesystem>

namespace ingot {

/// Holds `.NAME.lock` beside a file for one process at a time; released, and the lock file removed, by the destructor
/// or by the end of the process. The constructor waits while another process holds it and says so; it throws
/// Error(kExitTerminated) when asked to stop meanwhile, ConfigError when the lock file cannot be made.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& file);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  bool try_lock();
  std::filesystem::path lock_;
  int descriptor_ = -1;
};

}  // namespace ingot
