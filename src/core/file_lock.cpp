#include "core/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/failure.h"
#include "core/log.h"
#include "core/stop.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {
constexpr auto kPollPeriod = std::chrono::milliseconds(100);
}

FileLock::FileLock(const fs::path& file) : lock_(file.parent_path() / ("." + file.filename().string() + ".lock")) {
  bool told = false;
  while (!try_lock()) {
    if (!told) log_info(fmt::format("waiting for another process that writes {}", file.string()));
    told = true;
    if (stop_requested())
      throw Error(kExitTerminated, fmt::format("{}: stopped while another process writes it", file.string()));
    std::this_thread::sleep_for(kPollPeriod);
  }
}

FileLock::~FileLock() {
  ::unlink(lock_.c_str());
  ::close(descriptor_);
}

bool FileLock::try_lock() {
  descriptor_ = ::open(lock_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0) {
    const int number = errno;
    throw_refused(number, fmt::format("{}: lock cannot be created: {}", lock_.string(), std::strerror(number)));
  }
  struct stat held {}, named {};
  const bool locked = ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  // The holder before removes the name when it is done, so the file locked here may no longer be the one of that name.
  if (locked && ::fstat(descriptor_, &held) == 0 && ::stat(lock_.c_str(), &named) == 0 && held.st_ino == named.st_ino)
    return true;
  ::close(descriptor_);
  return false;
}

}  // namespace ingot
