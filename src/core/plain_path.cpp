#include "core/plain_path.h"

#include <algorithm>

namespace ingot {
namespace fs = std::filesystem;

fs::path plain_path(const fs::path& path) {
  const fs::path whole = fs::weakly_canonical(fs::absolute(path).lexically_normal());
  return whole.has_filename() || !whole.has_relative_path() ? whole : whole.parent_path();
}

bool lies_in(const fs::path& path, const fs::path& folder) try {
  const fs::path inner = plain_path(path), outer = plain_path(folder);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
} catch (const fs::filesystem_error&) {
  return false;
}

bool is_link_to_nothing(const fs::path& path) {
  const fs::path normal = fs::absolute(path).lexically_normal();
  const fs::path named = normal.has_filename() ? normal : normal.parent_path();  // behind a slash a link is followed
  std::error_code error;
  return fs::is_symlink(fs::symlink_status(named, error)) && fs::status(named, error).type() == fs::file_type::not_found;
}

}  // namespace ingot
