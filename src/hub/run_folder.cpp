#include "hub/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/file.h"

namespace ingot::hub {

RunLock::RunLock(const RunFolder& run) {
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
