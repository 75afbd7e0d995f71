#include "core/staging.h"

#include <fmt/format.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "core/error.h"
#include "core/file.h"
#include "core/lease.h"
#include "core/log.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMade = ".staging-", kRemoved = ".staging_removed-";

fs::path staging_path(const fs::path& parent, std::string_view prefix, const std::string& label) {
  return parent / fmt::format("{}{}-{}", prefix, label, ::getpid());
}

/// LABEL of ".staging-LABEL-PID" and ".staging_removed-LABEL-PID"; nothing of other names.
std::optional<std::string> label_of(std::string_view name) {
  if (!name.starts_with(kMade) && !name.starts_with(kRemoved)) return {};
  name.remove_prefix(name.starts_with(kMade) ? kMade.size() : kRemoved.size());
  const size_t dash = name.rfind('-');
  const bool numbered = dash != name.npos && dash + 1 < name.size() && name.find_first_not_of("0123456789", dash + 1) == name.npos;
  return numbered ? std::optional(std::string(name.substr(0, dash))) : std::nullopt;
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw CommError(fmt::format("{}: cannot be put in place: {}", to.string(), std::strerror(errno)));
}

/// False where the disk cannot exchange two names in one instant (NFS, some overlays and FUSE); INGOT_RENAME_EXCHANGE=0 says
/// so of a disk that does it wrong.
bool exchange_at_once(const fs::path& from, const fs::path& to) {
  const char* wanted = std::getenv("INGOT_RENAME_EXCHANGE");
  if (wanted && std::string_view(wanted) == "0") return false;
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return false;
  throw CommError(fmt::format("{}: cannot be replaced: {}", to.string(), std::strerror(errno)));
}

/// Puts `from` in the place of `to`, a folder with something in it; `from` then holds what stood there. Between two renames
/// what stood there has its name as previous_path: restore_previous puts it back when that was the end.
void exchange(const fs::path& from, const fs::path& to) {
  if (exchange_at_once(from, to)) return;
  const fs::path aside = previous_path(to);
  rename_or_throw(to, aside);
  sync_folder(to.parent_path());
  rename_or_throw(from, to);
  sync_folder(to.parent_path());
  rename_or_throw(aside, from);
}

}  // namespace

StagingFolder::StagingFolder(const fs::path& parent, const std::string& label) : path_(staging_path(parent, kMade, label)) {
  make_folder(parent);
  if (::mkdir(path_.c_str(), 0755) != 0) {
    const std::string message = fmt::format("{}: cannot be made: {}", path_.string(), std::strerror(errno));
    if (errno == EACCES || errno == EROFS || errno == EPERM) throw ConfigError(message);
    throw CommError(message);
  }
}

StagingFolder::~StagingFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
  if (error) log_warning(fmt::format("{}: cannot be removed ({}), and is of no use any more", path_.string(), error.message()));
}

void StagingFolder::publish(const fs::path& target) {
  check_leases(target);
  sync_folder(path_);
  std::error_code error;
  const bool occupied = fs::exists(target, error) && !fs::is_empty(target, error);
  if (occupied) exchange(path_, target);
  else rename_or_throw(path_, target);
  sync_folder(target.parent_path());
}

fs::path previous_path(const fs::path& target) {
  return target.parent_path() / ("." + target.filename().string() + ".ingot-previous");
}

void restore_previous(const fs::path& target) {
  const fs::path aside = previous_path(target);
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(aside, error))) return;
  if (fs::exists(fs::symlink_status(target, error))) {
    remove_whole(aside);
    return;
  }
  rename_or_throw(aside, target);
  sync_folder(target.parent_path());
  log_warning(fmt::format("{}: an earlier program ended while it replaced this folder; what was there before is back", target.string()));
}

bool is_staging(std::string_view name, const std::function<bool(const std::string&)>& has_label) {
  const auto label = label_of(name);
  return label && has_label(*label);
}

void remove_staging(const fs::path& parent, const std::function<bool(const std::string&)>& has_label) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error))
    if (is_staging(entry.path().filename().string(), has_label)) fs::remove_all(entry.path(), error);
}

void remove_whole(const fs::path& folder) {
  const fs::path aside = staging_path(folder.parent_path(), kRemoved, folder.filename().string());
  std::error_code error;
  fs::rename(folder, aside, error);
  fs::remove_all(error ? folder : aside, error);
}

}  // namespace ingot
