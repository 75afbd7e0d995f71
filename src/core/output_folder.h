#pragma once

#include <filesystem>
#include <string>

#include "core/lease.h"
#include "core/staging.h"

namespace ingot {

/// A folder that Ingot writes as a whole: an export, an adapter, a merge, a conversion, the source files of a run. It is built
/// beside its place under the lease `.NAME.lease`, marked with its kind and its files (folder_mark.h), and put in place in one
/// instant. A folder that is there already is replaced only when Ingot made it as the same kind and nothing foreign has come
/// into it since.
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
  /// when it may not be replaced: a file, a link to nothing, the root of a disk, a folder that Ingot did not make as this kind, or
  /// such a one with foreign files in it; and what is in the way beside it, at previous_path.
  static std::filesystem::path check(const std::filesystem::path& target, const std::string& kind);
  /// Throws ConfigError when one of the two lies in the other or both are the same; `name` is of what stays, "the base model".
  static void check_apart(const std::filesystem::path& target, const std::filesystem::path& stays, const std::string& name);

 private:
  std::filesystem::path target_;
  std::string kind_;
  Lease lease_;
  StagingFolder staging_;
};

}  // namespace ingot
