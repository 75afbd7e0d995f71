#include "core/expect_folder.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/is_there.h"
#include "core/printable.h"

namespace ingot {

void expect_folder(const std::filesystem::path& path, const std::string& field, const std::string& wanted) {
  const bool is_found = is_there(path);
  if (is_found && std::filesystem::is_directory(path)) return;
  throw ConfigError(fmt::format("{}: found {}, which {}, wanted {}", field, printable(path.string()), is_found ? "is no folder" : "does not exist", wanted));
}

}  // namespace ingot
