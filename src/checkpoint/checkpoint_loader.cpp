#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/manifest.h"
#include "checkpoint/run_checkpoint.h"
#include "checkpoint/state_check.h"
#include "core/error.h"
#include "core/log.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

LoadedCheckpoint load(const CheckpointInfo& info, const std::optional<std::set<std::string>>& files = {}) {
  LoadedCheckpoint loaded{info, StateReader(info.folder, files)};
  if (loaded.store.step() != info.step)
    throw DataError(fmt::format("{}: step {}, wanted {}", (info.folder / kManifestFile).string(), loaded.store.step(), info.step));
  return loaded;
}

/// Checkpoints in the order to be tried: from the tracked one back, then what a later run left that was given up.
std::vector<CheckpointInfo> candidates(const fs::path& folder) {
  auto all = list_checkpoints(folder);
  std::reverse(all.begin(), all.end());
  const int64_t newest = tracked_step(folder).value_or(INT64_MAX);
  std::stable_partition(all.begin(), all.end(), [&](const CheckpointInfo& info) { return info.step <= newest; });
  return all;
}

bool has_part_of(const PieceRecord& piece, const RunTensor& tensor) {
  return std::any_of(tensor.parts.begin(), tensor.parts.end(), [&](const auto& part) { return common_part(piece.slice, part.slice).has_value(); });
}

}  // namespace

LoadedCheckpoint load_checkpoint(const CheckpointInfo& info, const std::set<std::string>& files) { return load(info, files); }

std::set<std::string> sound_files(const CheckpointInfo& info, const std::set<std::string>& names) {
  const Manifest manifest = read_manifest(info.folder / kManifestFile);
  std::set<std::string> sound;
  for (const auto& name : names) try {
      open_checked(info.folder, manifest, {name});
      sound.insert(name);
    } catch (const DataError& error) {
      log_warning(fmt::format("checkpoint {}: a file is damaged and not used: {}", info.folder.filename().string(), error.what()));
    }
  return sound;
}

std::set<std::string> files_with(const CheckpointInfo& info, const std::vector<RunTensor>& tensors) {
  std::map<std::string, const RunTensor*> by_name;
  for (const auto& tensor : tensors) by_name.emplace(tensor.name, &tensor);
  std::set<std::string> files;
  for (const auto& record : read_manifest(info.folder / kManifestFile).tensors) {
    const auto wanted = by_name.find(record.name);
    if (wanted == by_name.end() || wanted->second->shape != record.shape) continue;  // who reads it says so
    for (const auto& piece : record.pieces)
      if (has_part_of(piece, *wanted->second)) files.insert(piece.file);
  }
  return files;
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
      return load(info);
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
