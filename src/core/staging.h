#pragma once

#include <filesystem>
#include <string>

namespace ingot {

/// A folder under construction, `PARENT/.staging-LABEL-PID`. Its owner holds a lock on it, which the system releases
/// when the owner dies. Destroyed before `publish` it is removed with everything in it.
class StagingFolder {
 public:
  /// Throws CommError when the disk is full or another save of this process uses the name, ConfigError when the folder
  /// may not be made.
  StagingFolder(const std::filesystem::path& parent, const std::string& label);
  ~StagingFolder();
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  /// Renames it to `target` on the same disk, durably. A folder already there is exchanged in the same instant and then
  /// removed. Throws CommError.
  void publish(const std::filesystem::path& target);

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

/// Removes the staging folders in `parent` whose labels begin so and whose owners are dead. What cannot be removed
/// stays.
void remove_dead_staging(const std::filesystem::path& parent, const std::string& label);

/// Where the folder at `target` waits while another takes its place on a disk that cannot exchange names in one instant.
std::filesystem::path previous_path(const std::filesystem::path& target);

/// Finishes what a killed exchange left: the folder at previous_path comes back when `target` is gone, else it is removed.
void restore_previous(const std::filesystem::path& target);

/// Removes a folder without ever leaving a part of it under its name.
void remove_whole(const std::filesystem::path& folder);

}  // namespace ingot
