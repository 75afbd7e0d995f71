#pragma once

#include <filesystem>
#include <memory>

#include "core/staging.h"

namespace ingot::train {

/// Where a run's shards are looked for, OUTPUT/data, and where new ones are written: there, or, while the run may still be refused and
/// those of an earlier session must stay, in a folder beside it that goes with this object.
class DataPlace {
 public:
  static DataPlace direct(const std::filesystem::path& output_dir);
  static DataPlace beside(const std::filesystem::path& output_dir);
  const std::filesystem::path& found() const { return found_; }
  const std::filesystem::path& written() const { return staging_ ? staging_->path() : found_; }
  /// Puts what was written in OUTPUT/data. Files that are open stay so.
  void keep() const;

 private:
  DataPlace(const std::filesystem::path& output_dir, std::unique_ptr<const StagingFolder> staging);
  std::filesystem::path found_;
  std::unique_ptr<const StagingFolder> staging_;
};

}  // namespace ingot::train
