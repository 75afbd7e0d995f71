#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace ingot {

/// A folder under construction, `PARENT/.staging-LABEL-PID`, made by who holds the lease on what it will be. Destroyed before
/// `publish` it is removed with everything in it; what cannot be removed is said in one line.
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
  /// removed. Throws CommError, also when the lease is lost.
  void publish(const std::filesystem::path& target);

 private:
  std::filesystem::path path_;
};

/// Whether this is the name of a staging folder with such a label.
bool is_staging(std::string_view name, const std::function<bool(const std::string&)>& has_label);

/// Removes the staging folders in `parent` with such labels, which killed processes left: for who holds the lease on what they
/// were to be. What cannot be removed stays.
void remove_staging(const std::filesystem::path& parent, const std::function<bool(const std::string&)>& has_label);

/// Where the folder at `target` waits while another takes its place on a disk that cannot exchange names in one instant.
std::filesystem::path previous_path(const std::filesystem::path& target);

/// Finishes what a killed exchange left: the folder at previous_path comes back when `target` is gone, else it is removed.
void restore_previous(const std::filesystem::path& target);

/// Removes a folder without ever leaving a part of it under its name.
void remove_whole(const std::filesystem::path& folder);

}  // namespace ingot
