#include "core/output_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/folder_mark.h"
#include "core/plain_path.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

/// Files in a folder, as seen from it, links not followed.
std::set<std::string> files_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_directory() || entry.is_symlink()) names.insert(entry.path().lexically_relative(folder).string());
  names.erase(FolderMark::kFile);
  return names;
}

[[noreturn]] void refuse(const fs::path& target, const std::string& found) {
  throw ConfigError(fmt::format("{}: {}; nothing was changed, name another folder or move that away", target.string(), found));
}

/// Of a folder with something in it.
void check_content(const fs::path& folder, const std::string& kind) {
  const auto mark = read_mark(folder);
  if (!mark) refuse(folder, "is a folder with files that Ingot did not write, wanted a new or empty one");
  if (mark->kind != kind) refuse(folder, fmt::format("is a folder that Ingot wrote as {}, and would be replaced by another: {}", mark->kind, kind));
  for (const auto& name : files_in(folder))
    if (!mark->files.contains(name)) refuse(folder, fmt::format("holds {}, which Ingot did not write, and would be replaced as a whole", name));
}

bool is_mount_point(const fs::path& folder) {
  struct statx info {};
  return ::statx(AT_FDCWD, folder.c_str(), 0, STATX_TYPE, &info) == 0 && (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/// What a killed exchange left is ours; what else has that name would be lost.
void check_beside(const fs::path& place, const std::string& kind) {
  const fs::path aside = previous_path(place);
  const auto status = fs::symlink_status(aside);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status)) refuse(aside, fmt::format("is in the way while {} is written", place.string()));
  check_content(aside, kind);
}

fs::path checked(const fs::path& target, const std::string& kind) try {
  const fs::path place = plain_path(target);
  if (target.string().starts_with('~')) refuse(target, "begins with ~, which only a shell expands");
  if (is_link_to_nothing(target)) refuse(target, "is a link to what is not there, wanted a folder or nothing");
  const auto status = fs::status(place);
  if (fs::exists(status) && !fs::is_directory(status)) refuse(place, "is a file, wanted a new or empty folder");
  if (!place.has_filename()) refuse(place, "is the root of the disk, wanted a new or empty folder");
  if (fs::exists(status) && is_mount_point(place)) refuse(place, "is where a disk is mounted, and cannot be replaced, wanted a folder in it");
  if (fs::exists(status) && !fs::is_empty(place)) check_content(place, kind);
  check_beside(place, kind);
  return place;
} catch (const fs::filesystem_error& error) {
  throw ConfigError(fmt::format("{}: cannot be written to: {}", target.string(), error.code().message()));
}

LeaseTerms terms_of(const fs::path& target) {
  make_folder(target.parent_path());
  return {target.parent_path() / ("." + target.filename().string() + ".lease"), target};
}

/// The parent, without what killed processes left of the target. For who holds its lease.
fs::path tidied_parent(const fs::path& target, const std::string& kind) {
  checked(target, kind);
  restore_previous(target);
  const std::string name = target.filename().string();
  remove_staging(target.parent_path(), [&](const std::string& label) { return label == name; });
  return target.parent_path();
}

}  // namespace

fs::path OutputFolder::check(const fs::path& target, const std::string& kind) { return checked(target, kind); }

void OutputFolder::check_apart(const fs::path& target, const fs::path& stays, const std::string& name) {
  if (lies_in(target, stays) || lies_in(stays, target)) refuse(target, fmt::format("is not apart from {}, {}", name, stays.string()));
}

OutputFolder::OutputFolder(const fs::path& target, const std::string& kind)
    : target_(checked(target, kind)), kind_(kind), lease_(terms_of(target_)), staging_(tidied_parent(target_, kind), target_.filename().string()) {}

void OutputFolder::publish() {
  write_mark(path(), {kind_, files_in(path())});
  staging_.publish(target_);
}

}  // namespace ingot
