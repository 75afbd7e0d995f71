#include "hub/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "checkpoint/own_folder.h"
#include "core/error.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/folder_mark.h"
#include "core/json.h"
#include "core/output_folder.h"
#include "core/plain_path.h"
#include "core/staging.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKind = "run";

/// One, or half of one.
bool is_sight_mark(const std::string& name) { return name.starts_with(kSightMark) || name.starts_with(std::string(".") + kSightMark); }

/// What is in a folder before its mark is: the lease that the mark is written under, and the mark half written.
bool is_of_first_instant(const std::string& name) {
  return name == ".lease" || is_sight_mark(name) || name.starts_with(".lease.new-") || name.starts_with(".lease.takeover") || name == fmt::format(".{}.partial", FolderMark::kFile);
}

bool has_record(const RunFolder& run) try {
  if (!fs::is_regular_file(run.record())) return false;
  const Json record = read_json(run.record());
  return record.is_object() && record.value("version", Json()).is_number_integer() && record.contains("model_config") && record.contains("stage");
} catch (const std::exception&) {
  return false;
}

bool is_run(const RunFolder& run) {
  const auto mark = read_mark(run.path);
  return (mark && mark->kind == kKind) || has_record(run);
}

LeaseTerms terms_of(const RunFolder& run) {
  check_run_folder(run);
  make_folder(run.path);
  return {.file = run.path / ".lease", .guarded = run.path, .wait = false};
}

/// The folder, or the first one above it that is there, takes files.
void check_place(const fs::path& folder) {
  const auto refuse = [&](int error) { throw_refused(error, fmt::format("output_dir: {}: cannot be written: {}", folder.string(), std::strerror(error))); };
  if (is_link_to_nothing(folder))
    throw ConfigError(fmt::format("output_dir: {}: is a link to what is not there, wanted a folder or nothing", folder.string()));
  fs::path place = fs::absolute(folder).lexically_normal();
  struct stat info {};
  while (::stat(place.c_str(), &info) != 0) {
    if (errno != ENOENT) refuse(errno);
    place = place.parent_path();
  }
  if (!S_ISDIR(info.st_mode)) refuse(ENOTDIR);
  if (::faccessat(AT_FDCWD, place.c_str(), W_OK | X_OK, AT_EACCESS) != 0) refuse(errno);
}

/// Those of ranks that were killed while they looked: who holds the lock has found what it looked for.
void remove_sight_marks(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> marks;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_sight_mark(entry.path().filename().string())) marks.push_back(entry.path());
  for (const auto& mark : marks) fs::remove(mark, error);
}

/// The export of a run itself may be made again.
bool is_export(const RunFolder& run, const fs::path& place) { return place == run.model() || place == run.adapter(); }

}  // namespace

void check_run_folder(const RunFolder& run) {
  for (const auto& folder : {run.path, run.data(), run.checkpoints()}) check_place(folder);
  if (!fs::is_directory(run.path)) return;
  if (is_run(run)) return checkpoint::check_no_foreign_checkpoint(run.checkpoints());
  for (const auto& entry : fs::directory_iterator(run.path))
    if (const std::string name = entry.path().filename().string(); !is_of_first_instant(name))
      throw ConfigError(fmt::format("output_dir: {}: found {} in a folder that is no run's, wanted a new or empty folder", run.path.string(), name));
}

void check_run_exports(const RunFolder& run, bool has_adapter) {
  OutputFolder::check(run.model(), "model");
  if (has_adapter) OutputFolder::check(run.adapter(), "adapter");
}

void check_outside_runs(const fs::path& target) {
  const fs::path place = plain_path(target);
  for (fs::path above = place; above.has_relative_path(); above = above.parent_path()) {
    const RunFolder run(above);
    for (const auto& kept : {run.data(), run.checkpoints(), run.source(), run.layout(), run.model(), run.adapter()})
      if (lies_in(place, kept) && !is_export(run, place) && is_run(run))
        throw ConfigError(fmt::format("{}: lies in {}, which the run in {} works with; nothing was changed, name another folder", target.string(),
                                      kept.filename().string(), above.string()));
  }
}

RunLock::RunLock(const RunFolder& run) : lease_(terms_of(run)) {
  remove_staging(run.path, [&](const std::string& label) { return label == run.checkpoints().filename() || label == run.data().filename(); });
  remove_sight_marks(run.path);
  if (!is_run(run)) write_mark(run.path, {kKind, {}});
}

}  // namespace ingot::hub
