#include "core/is_there.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "core/failure.h"

namespace ingot {

bool is_there(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return true;
  const int number = errno;
  if (number == ENOENT || number == ENOTDIR) return false;
  throw_refused(number, fmt::format("{}: cannot be read: {}", path.string(), std::strerror(number)));
}

}  // namespace ingot
