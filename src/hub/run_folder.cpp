#include "hub/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/failure.h"
#include "core/file.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

/// Whatever Ingot writes at the top of a run's folder.
bool is_ours(const std::string& name) {
  static const std::set<std::string> kNames{"run.json", ".lock", "data", "checkpoints", "source", "source_layout", "model", "adapter", "metrics.jsonl"};
  return kNames.contains(name) || name.starts_with(".staging-") || name.ends_with(".ingot-previous") || name.ends_with(".partial");
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

RunLock::RunLock(const RunFolder& run) {
  check_run_folder(run);
  make_folder(run.path);
  const auto file = run.path / ".lock";
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0) throw ConfigError(fmt::format("output_dir: {}: cannot be written: {}", run.path.string(), std::strerror(errno)));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor_);
    throw ConfigError(fmt::format("output_dir: {}: another run works in this folder", run.path.string()));
  }
}

RunLock::~RunLock() { ::close(descriptor_); }

}  // namespace ingot::hub
