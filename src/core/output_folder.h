#pragma once

#include <filesystem>
#include <string>

#include "core/lease.h"
#include "core/staging.h"

namespace ingot {

/// The absolute path behind links, without a slash at its end; what does not exist yet is taken as it is written.
std::filesystem::path plain_path(const std::filesystem::path& path);

/// A folder that Ingot writes as a whole: an export, an adapter, a merge, a conversion, the source files of a run. It is built
/// beside its place under the lease `.NAME.lease`, marked by a file `.ingot` that lists what was written, and put in place in one instant. A folder that
/// is there already is replaced only when Ingot made it and nothing foreign has come into it since.
class OutputFolder {
 public:
  /// Waits for another process that writes it. Throws as check() does, and as Lease and StagingFolder.
  OutputFolder(const std::filesystem::path& target, const std::string& kind);
  /// Where to write.
  const std::filesystem::path& path() const { return staging_.path(); }
  const std::filesystem::path& target() const { return target_; }
  /// Marks what was written and puts it in place, durably. Throws CommError.
  void publish();

  /// The absolute path of `target` behind links and without a slash at its end. Throws ConfigError naming what is there
  /// when it may not be replaced: a file, a folder that Ingot did not make, or one of ours with foreign files in it.
  static std::filesystem::path check(const std::filesystem::path& target);

 private:
  std::filesystem::path target_;
  std::string kind_;
  Lease lease_;
  StagingFolder staging_;
};

}  // namespace ingot
