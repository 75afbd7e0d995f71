#include "checkpoint/holding.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "checkpoint/checkpoint_list.h"
#include "checkpoint/checkpoint_name.h"
#include "checkpoint/manifest.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

HeldFiles held_files(const fs::path& folder, const Manifest& manifest) {
  HeldFiles held{names_of_files(manifest), {}};
  for (const auto& [name, record] : manifest.files) {
    std::error_code error;
    const fs::path file = path_inside(folder, name, folder / kManifestFile);
    if (fs::is_regular_file(file, error) && fs::file_size(file, error) == record.size) held.here.insert(name);
  }
  return held;
}

/// Of a checkpoint all of whose manifests say the same: what no disk has.
std::set<std::string> absent_files(const CheckpointKey& key, const std::vector<Holding>& disks) {
  std::set<std::string> absent;
  for (const auto& disk : disks)
    if (const auto found = disk.checkpoints.find(key); found != disk.checkpoints.end()) absent = found->second.named;
  for (const auto& disk : disks)
    if (const auto found = disk.checkpoints.find(key); found != disk.checkpoints.end())
      for (const auto& name : found->second.here) absent.erase(name);
  return absent;
}

/// Newest first.
std::vector<CheckpointKey> all_keys(const std::vector<Holding>& disks) {
  std::set<CheckpointKey> keys;
  for (const auto& disk : disks)
    for (const auto& [key, held] : disk.checkpoints) keys.insert(key);
  return {keys.rbegin(), keys.rend()};
}

}  // namespace

Holding holding_of(const fs::path& folder) {
  Holding holding{{}, tracked_step(folder), 0};
  for (const auto& info : list_checkpoints(folder)) try {
      const fs::path file = info.folder / kManifestFile;
      const std::string text = read_file(file);
      const CheckpointKey key{info.step, sha256_hex(std::as_bytes(std::span(text)))};
      const Manifest manifest = read_manifest(file);
      if (manifest.step != info.step) throw DataError(fmt::format("{}: step {}, wanted {}", file.string(), manifest.step, info.step));
      holding.checkpoints[key] = held_files(info.folder, manifest);
    } catch (const DataError& error) {
      ++holding.damaged;
      log_warning(fmt::format("checkpoint {} is damaged and not used: {}", info.folder.filename().string(), error.what()));
    }
  return holding;
}

Json to_json(const Holding& holding) {
  Json checkpoints = Json::array();
  for (const auto& [key, held] : holding.checkpoints)
    checkpoints.push_back({{"step", key.step}, {"manifest", key.manifest}, {"named", held.named}, {"here", held.here}});
  return {{"tracked", holding.tracked ? Json(*holding.tracked) : Json()}, {"checkpoints", checkpoints}, {"damaged", holding.damaged}};
}

Holding holding_from(const Json& json) {
  Holding holding;
  if (const Json& tracked = json.at("tracked"); !tracked.is_null()) holding.tracked = tracked.get<int64_t>();
  holding.damaged = json.at("damaged");
  for (const auto& one : json.at("checkpoints")) holding.checkpoints[{one.at("step"), one.at("manifest")}] = {one.at("named"), one.at("here")};
  return holding;
}

std::vector<CheckpointKey> whole_checkpoints(const std::vector<Holding>& disks) {
  auto keys = all_keys(disks);
  std::erase_if(keys, [&](const auto& key) { return !absent_files(key, disks).empty(); });
  std::optional<int64_t> tracked;
  for (const auto& disk : disks) tracked = std::max(tracked, disk.tracked);
  std::stable_partition(keys.begin(), keys.end(), [&](const auto& key) { return !tracked || key.step <= *tracked; });
  return keys;
}

std::string what_is_missing(const std::vector<Holding>& disks) {
  for (const auto& key : all_keys(disks))
    if (const auto absent = absent_files(key, disks); !absent.empty()) return fmt::format("{}: {}", checkpoint_name(key.step), fmt::join(absent, ", "));
  return "";
}

}  // namespace ingot::checkpoint
