#include "hub/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/staging.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

/// Whatever Ingot writes at the top of a run's folder.
bool is_ours(const std::string& name) {
  static const std::set<std::string> kNames{"run.json", "data", "checkpoints", "source", "source_layout", "model", "adapter", "metrics.jsonl"};
  return kNames.contains(name) || name.starts_with(".staging-") || name.starts_with(".lease") || name.ends_with(".lease") || name.ends_with(".ingot-previous") || name.ends_with(".partial");
}

LeaseTerms terms_of(const RunFolder& run) {
  check_run_folder(run);
  make_folder(run.path);
  return {.file = run.path / ".lease", .guarded = run.path, .wait = false};
}

/// The folder, or the first one above it that is there, takes files.
void check_place(const fs::path& folder) {
  const auto refuse = [&](int error) { throw_refused(error, fmt::format("output_dir: {}: cannot be written: {}", folder.string(), std::strerror(error))); };
  fs::path place = fs::absolute(folder).lexically_normal();
  struct stat info {};
  while (::stat(place.c_str(), &info) != 0) {
    if (errno != ENOENT) refuse(errno);
    place = place.parent_path();
  }
  if (!S_ISDIR(info.st_mode)) refuse(ENOTDIR);
  if (::faccessat(AT_FDCWD, place.c_str(), W_OK | X_OK, AT_EACCESS) != 0) refuse(errno);
}

}  // namespace

void check_run_folder(const RunFolder& run) {
  check_place(run.path);
  if (fs::exists(run.record()) || !fs::is_directory(run.path)) return;
  for (const auto& entry : fs::directory_iterator(run.path))
    if (const std::string name = entry.path().filename().string(); !is_ours(name))
      throw ConfigError(fmt::format("output_dir: {}: found {}, which is of no run, wanted a new or empty folder", run.path.string(), name));
}

RunLock::RunLock(const RunFolder& run) : lease_(terms_of(run)) {
  remove_staging(run.path, [&](const std::string& label) { return label == run.checkpoints().filename() || label == run.data().filename(); });
}

}  // namespace ingot::hub
