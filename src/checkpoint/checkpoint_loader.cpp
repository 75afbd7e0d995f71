#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/manifest.h"
#include "checkpoint/own_folder.h"
#include "checkpoint/run_checkpoint.h"
#include "core/error.h"
#include "core/log.h"
#include "core/printable.h"
#include "core/progress.h"
#include "core/sha256.h"
#include "core/stop.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr size_t kHashChunk = size_t{16} << 20;

void check_file(const fs::path& path, const FileDigest& wanted, Progress& progress) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() != wanted.size)
    throw DataError(fmt::format("{}: {} bytes, wanted {}", path.string(), bytes.size(), wanted.size));
  Sha256 hash;
  for (size_t begin = 0; begin < bytes.size(); begin += kHashChunk) {
    end_if_stopped("checking a checkpoint, nothing is lost");
    const auto chunk = bytes.subspan(begin, std::min(kHashChunk, bytes.size() - begin));
    hash.add(chunk.data(), chunk.size());
    file.release(begin, chunk.size());
    progress.add(chunk.size());
  }
  if (const auto found = hash.hex(); found != wanted.sha256)
    throw DataError(fmt::format("{}: sha256 is {}, wanted {}", path.string(), found, in_quotes(wanted.sha256)));
}

void check_files(const CheckpointInfo& info, const Manifest& manifest) {
  std::vector<std::pair<std::string, FileDigest>> files(manifest.files.begin(), manifest.files.end());
  uint64_t total = 0;
  for (const auto& [name, digest] : files) total += digest.size;
  Progress progress("checking " + info.folder.filename().string(), total, "B");
  at::parallel_for(0, static_cast<int64_t>(files.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& [name, digest] = files[static_cast<size_t>(i)];
      check_file(path_inside(info.folder, name, info.folder / kManifestFile), digest, progress);
    }
  });
}

LoadedCheckpoint load_checkpoint(const CheckpointInfo& info) {
  const fs::path manifest_file = info.folder / kManifestFile;
  Manifest manifest = read_manifest(manifest_file);
  const auto fail = [&](const std::string& problem) {
    throw DataError(fmt::format("{}: {}", manifest_file.string(), problem));
  };
  if (manifest.step != info.step) fail(fmt::format("step {}, wanted {}", manifest.step, info.step));
  check_files(info, manifest);
  std::map<std::string, SafetensorsFile> files;
  for (const auto& [name, digest] : manifest.files) files.emplace(name, info.folder / name);
  LoadedCheckpoint loaded{info, {{}, std::move(manifest.state)}};
  for (const auto& [name, dtype, shape, file] : manifest.tensors) {
    const auto found = files.find(file);
    const TensorEntry* entry = found == files.end() ? nullptr : found->second.find(name);
    if (!entry || entry->dtype != dtype || entry->shape != shape)
      fail(fmt::format("tensor {} is not so in {}", in_quotes(name), in_quotes(file)));
    loaded.state.tensors.push_back({name, load_tensor(found->second, name)});
  }
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
