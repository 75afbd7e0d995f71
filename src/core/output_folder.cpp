#include "core/output_folder.h"

#include <fmt/format.h>

#include <optional>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

constexpr const char* kMarker = ".ingot";
constexpr size_t kMarkerBytes = size_t{16} << 20;

/// Files in a folder, as seen from it, links not followed.
std::set<std::string> files_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_directory() || entry.is_symlink()) names.insert(entry.path().lexically_relative(folder).string());
  names.erase(kMarker);
  return names;
}

/// What the marker lists; nothing when there is none, or none of ours.
std::optional<std::set<std::string>> marked_files(const fs::path& folder) try {
  if (!fs::is_regular_file(fs::symlink_status(folder / kMarker))) return std::nullopt;
  const Json marker = read_json(folder / kMarker, kMarkerBytes);
  return marker.at("files").get<std::set<std::string>>();
} catch (const std::exception&) {
  return std::nullopt;
}

[[noreturn]] void refuse(const fs::path& target, const std::string& found) {
  throw ConfigError(fmt::format("{}: {}; nothing was changed, name another folder or move that away", target.string(), found));
}

void check_folder(const fs::path& target) {
  const auto listed = marked_files(target);
  if (!listed) refuse(target, "is a folder with files that Ingot did not write, wanted a new or empty one");
  for (const auto& name : files_in(target))
    if (!listed->contains(name)) refuse(target, fmt::format("holds {}, which Ingot did not write, and would be replaced as a whole", name));
}

fs::path checked(const fs::path& target) try {
  const fs::path place = plain_path(target);
  const auto status = fs::status(place);
  if (!fs::exists(status)) return place;
  if (!fs::is_directory(status)) refuse(place, "is a file, wanted a new or empty folder");
  if (!place.has_filename()) refuse(place, "is the root of the disk, wanted a new or empty folder");
  if (!fs::is_empty(place)) check_folder(place);
  return place;
} catch (const fs::filesystem_error& error) {
  throw ConfigError(fmt::format("{}: cannot be written to: {}", target.string(), error.code().message()));
}

LeaseTerms terms_of(const fs::path& target) {
  make_folder(target.parent_path());
  return {target.parent_path() / ("." + target.filename().string() + ".lease"), target};
}

/// The parent, without what killed processes left of the target. For who holds its lease.
fs::path tidied_parent(const fs::path& target) {
  restore_previous(target);
  checked(target);
  const std::string name = target.filename().string();
  remove_staging(target.parent_path(), [&](const std::string& label) { return label == name; });
  return target.parent_path();
}

}  // namespace

fs::path plain_path(const fs::path& path) {
  const fs::path whole = fs::weakly_canonical(fs::absolute(path).lexically_normal());
  return whole.has_filename() || !whole.has_relative_path() ? whole : whole.parent_path();
}

fs::path OutputFolder::check(const fs::path& target) { return checked(target); }

OutputFolder::OutputFolder(const fs::path& target, const std::string& kind)
    : target_(checked(target)), kind_(kind), lease_(terms_of(target_)), staging_(tidied_parent(target_), target_.filename().string()) {}

void OutputFolder::publish() {
  const Json marker{{"made_by", "ingot"}, {"kind", kind_}, {"files", files_in(path())}};
  write_file(path() / kMarker, marker.dump(1) + "\n");
  staging_.publish(target_);
}

}  // namespace ingot
