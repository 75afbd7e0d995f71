#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/manifest.h"
#include "checkpoint/own_folder.h"
#include "checkpoint/run_checkpoint.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

LoadedCheckpoint load_checkpoint(const CheckpointInfo& info) {
  LoadedCheckpoint loaded{info, StateReader(info.folder)};
  if (loaded.store.step() != info.step)
    throw DataError(fmt::format("{}: step {}, wanted {}", (info.folder / kManifestFile).string(), loaded.store.step(), info.step));
  return loaded;
}

/// The step in the tracker file; the largest number when there is none to be read.
int64_t tracked_step(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_regular_file(folder / kTrackerFile, error)) return INT64_MAX;
  const std::string text = read_file(folder / kTrackerFile);
  int64_t step = INT64_MAX;
  std::from_chars(text.data(), text.data() + text.size(), step);
  return step;
}

/// Checkpoints in the order to be tried: from the tracked one back, then what a later run left that was given up.
std::vector<CheckpointInfo> candidates(const fs::path& folder) {
  auto all = list_checkpoints(folder);
  std::reverse(all.begin(), all.end());
  const int64_t newest = tracked_step(folder);
  std::stable_partition(all.begin(), all.end(), [&](const CheckpointInfo& info) { return info.step <= newest; });
  return all;
}

}  // namespace

std::vector<CheckpointInfo> list_checkpoints(const fs::path& folder) {
  std::vector<CheckpointInfo> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (const auto step = step_of_name(entry.path().filename().string()); step && is_own_checkpoint(entry.path()))
      found.push_back({*step, entry.path()});
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return found;
}

Json newest_state(const fs::path& folder) {
  for (const auto& info : candidates(folder)) try {
    return read_manifest(info.folder / kManifestFile).state;
  } catch (const DataError&) {  // load_newest_checkpoint says so
  }
  return nullptr;
}

std::optional<LoadedCheckpoint> load_newest_checkpoint(const fs::path& folder) {
  const auto found = candidates(folder);
  for (const auto& info : found) {
    try {
      return load_checkpoint(info);
    } catch (const DataError& error) {
      if (!fs::exists(info.folder)) return load_newest_checkpoint(folder);  // a running run has a newer one and removed this
      const std::string name = info.folder.filename().string();
      log_warning(fmt::format("checkpoint {} is damaged and not used: {}", name, error.what()));
    }
  }
  if (found.empty()) return std::nullopt;
  throw DataError(fmt::format("{}: none of its {} checkpoints is sound", folder.string(), found.size()));
}

}  // namespace ingot::checkpoint
