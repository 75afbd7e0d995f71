#include "train/spread_checkpoint.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/holding.h"
#include "checkpoint/manifest.h"
#include "checkpoint/own_folder.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/process_identity.h"
#include "core/progress.h"
#include "core/staging.h"
#include "core/stop.h"
#include "hub/run_record.h"
#include "train/ranks_agree.h"
#include "train/run_identity.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

using checkpoint::CheckpointInfo;
using checkpoint::Holding;
using Names = std::set<std::string>;

constexpr size_t kChunk = size_t{16} << 20;
constexpr int64_t kFileTag = 254;  // that of texts is another (ranks_agree.cpp)

CheckpointInfo info_of(const hub::RunFolder& run, int64_t step) { return {step, run.checkpoints() / checkpoint::checkpoint_name(step)}; }

std::vector<Holding> holdings_of_all(const Disks& disks, const Holding& own) {
  std::vector<Holding> all;
  for (const auto& text : texts_of_all(*disks.leaders, to_json(own).dump())) all.push_back(checkpoint::holding_from(Json::parse(text)));
  return all;
}

bool has_any(const std::vector<Holding>& disks) {
  return std::any_of(disks.begin(), disks.end(), [](const Holding& disk) { return !disk.checkpoints.empty() || disk.damaged > 0; });
}

/// The newest of which every file is on one of the disks, sound in every byte. What is not is taken out of `own`.
std::optional<checkpoint::CheckpointKey> newest_sound(const Disks& disks, const hub::RunFolder& run, Holding& own) {
  while (true) {
    const auto all = holdings_of_all(disks, own);
    const auto whole = whole_checkpoints(all);
    if (whole.empty() && !has_any(all)) return {};
    if (whole.empty())
      throw DataError(fmt::format("{}: no checkpoint is whole on the {} disks of this job: {}", run.checkpoints().string(), disks.count,
                                  what_is_missing(all).empty() ? "their manifests are damaged" : "none has these files of " + what_is_missing(all)));
    const auto held = own.checkpoints.find(whole.front());
    Names lost;
    if (held != own.checkpoints.end()) {
      const Names sound = checkpoint::sound_files(info_of(run, whole.front().step), held->second.here);
      std::set_difference(held->second.here.begin(), held->second.here.end(), sound.begin(), sound.end(), std::inserter(lost, lost.end()));
      held->second.here = sound;
    }
    if (first_text(*disks.leaders, lost.empty() ? "" : "lost").empty()) return whole.front();
  }
}

/// Of the checkpoint, for a disk that had nothing of it, or what another run had left there.
void take_manifest(const CheckpointInfo& info, const std::string& text) {
  checkpoint::check_not_foreign(info.folder);
  if (fs::exists(info.folder)) remove_whole(info.folder);
  make_folder(info.folder);
  write_file(info.folder / checkpoint::kManifestFile, text);
}

/// Files that are not as they should be, where another disk has them.
void remove_damaged(const CheckpointInfo& info, const checkpoint::HeldFiles& held) {
  for (const auto& name : held.named)
    if (!held.here.contains(name)) fs::remove(info.folder / name);
}

void send_file(parallel::Communicator& leaders, const fs::path& file, int64_t to, Progress& progress) {
  const MappedFile from(file);
  for (size_t begin = 0; begin < from.bytes().size(); begin += kChunk) {
    end_if_stopped("bringing a checkpoint to another disk, nothing is lost");
    const auto chunk = from.bytes().subspan(begin, std::min(kChunk, from.bytes().size() - begin));
    auto bytes = at::empty({std::ssize(chunk)}, at::kByte);
    std::memcpy(bytes.mutable_data_ptr(), chunk.data(), chunk.size());
    leaders.send(bytes, to, kFileTag);
    from.release(begin, chunk.size());
    progress.add(chunk.size());
  }
}

void receive_file(parallel::Communicator& leaders, const fs::path& file, uint64_t size, int64_t from, Progress& progress) {
  AtomicFile into(file);
  for (uint64_t begin = 0; begin < size; begin += kChunk) {
    auto bytes = at::empty({static_cast<int64_t>(std::min<uint64_t>(kChunk, size - begin))}, at::kByte);
    leaders.receive(bytes, from, kFileTag);
    into.write(bytes.const_data_ptr(), bytes.nbytes());
    progress.add(bytes.nbytes());
  }
  into.commit();
}

/// What one of the leaders' work throws, all throw.
void throw_together(const Disks& disks, const std::function<void()>& work) {
  std::string problem;
  try {
    work();
  } catch (const ConfigError& error) {
    problem = error.what();
  }
  if (const auto first = first_text(*disks.leaders, problem); !first.empty()) throw ConfigError(first);
}

/// Two disks' checkpoints may not be one folder: their leaders would undo each other's work.
void check_inside(const hub::RunFolder& run) {
  const auto device_of = [](const fs::path& folder) {
    struct stat info {};
    return ::stat(folder.c_str(), &info) == 0 ? info.st_dev : 0;
  };
  for (const auto& folder : {run.checkpoints(), run.data()})
    if (fs::exists(fs::symlink_status(folder)) && (fs::is_symlink(folder) || device_of(folder) != device_of(run.path)))
      throw ConfigError(fmt::format("output_dir: {} lies on another disk than {}, which is not one for all nodes: wanted a folder in it", folder.string(), run.path.string()));
}

/// Of the disks that have checkpoints each must have those of one run.
void check_one_run(const Disks& disks, const hub::RunFolder& run) {
  const Json state = checkpoint::newest_state(run.checkpoints());
  const Json own{{"fixed", state.is_object() ? state.value("fixed", Json()) : Json()},
                 {"record", fs::exists(run.record()) ? parse_json(read_file(run.record()), run.record().string()) : Json()},
                 {"place", fmt::format("{} on {}", run.path.string(), this_process().host)}};
  Json first;
  for (const auto& text : texts_of_all(*disks.leaders, own.dump())) {
    const Json other = Json::parse(text);
    if (!other["fixed"].is_object()) continue;
    if (first.is_null()) first = other;
    auto differences = fixed_differences({.fixed = first["fixed"]}, {.fixed = other["fixed"]});
    const auto of_records = hub::record_differences(first["record"], other["record"]);
    differences.insert(differences.end(), of_records.begin(), of_records.end());
    if (!differences.empty())
      throw ConfigError(fmt::format("output_dir: {} holds checkpoints of another run than {}: {}; move one of them away", other["place"].get<std::string>(),
                                    first["place"].get<std::string>(), fmt::join(differences, "; ")));
  }
}

/// Parts of a step that was not published everywhere would be counted as a checkpoint. Newer ones may be whole with a disk that is not here now.
void remove_older_parts(const Disks& disks, const hub::RunFolder& run, const Holding& own, const checkpoint::CheckpointKey& chosen) {
  const auto all = holdings_of_all(disks, own);
  const auto whole = whole_checkpoints(all);
  for (const auto& [key, held] : own.checkpoints)
    if (key.step < chosen.step && std::find(whole.begin(), whole.end(), key) == whole.end()) remove_whole(info_of(run, key.step).folder);
  if (disks.index > 0) return;
  for (const auto& disk : all)
    if (!disk.checkpoints.empty() && disk.checkpoints.rbegin()->first.step > chosen.step)
      return log_warning(fmt::format("going on from step {}: of a newer one not every file is on the disks of this job ({})", chosen.step, what_is_missing(all)));
}

/// A file and the disks that it goes between.
struct Move {
  std::string name;
  int64_t from, to;
};

/// Of the files that the disks want and lack: each from the first that has it.
std::vector<Move> moves_between(const std::vector<Names>& wanted, const std::vector<Names>& here, const fs::path& folder) {
  Names all;
  for (const auto& names : wanted) all.insert(names.begin(), names.end());
  std::vector<Move> moves;
  for (const auto& name : all) {
    const int64_t from = std::find_if(here.begin(), here.end(), [&](const Names& names) { return names.contains(name); }) - here.begin();
    if (from == std::ssize(here)) throw DataError(fmt::format("{}: {} is on no disk of this job", folder.string(), name));
    for (size_t to = 0; to < here.size(); ++to)
      if (wanted[to].contains(name) && !here[to].contains(name)) moves.push_back({name, from, static_cast<int64_t>(to)});
  }
  return moves;
}

/// The leaders give one another the files of a checkpoint that are wanted; all in one order, so that two never wait for each other.
void give_files(const Disks& disks, const CheckpointInfo& info, const Names& wanted_here) {
  const auto manifest = checkpoint::read_manifest(info.folder / checkpoint::kManifestFile);
  Names own;
  for (const auto& [name, record] : manifest.files)
    if (fs::exists(path_inside(info.folder, name, info.folder / checkpoint::kManifestFile))) own.insert(name);
  std::vector<Names> wanted, here;
  for (const auto& text : texts_of_all(*disks.leaders, Json{{"wanted", wanted_here}, {"here", own}}.dump())) {
    const Json one = Json::parse(text);
    wanted.push_back(one.at("wanted")), here.push_back(one.at("here"));
  }
  auto moves = moves_between(wanted, here, info.folder);
  std::erase_if(moves, [&](const Move& move) { return move.from != disks.index && move.to != disks.index; });
  uint64_t total = 0;
  for (const auto& move : moves) total += manifest.files.at(move.name).size;
  Progress progress(fmt::format("bringing {} to the disks that need it", info.folder.filename().string()), total, "B");
  for (const auto& move : moves) {
    if (move.from == disks.index) send_file(*disks.leaders, info.folder / move.name, move.to, progress);
    else receive_file(*disks.leaders, info.folder / move.name, manifest.files.at(move.name).size, move.from, progress);
  }
  if (!moves.empty()) sync_folder(info.folder);
}

}  // namespace

void agree_on_checkpoint(const Disks& disks, const hub::RunFolder& run, const std::function<void()>& check_run) {
  throw_together(disks, [&] { check_inside(run); });
  Holding own = checkpoint::holding_of(run.checkpoints());
  check_one_run(disks, run);
  const auto key = newest_sound(disks, run, own);
  throw_together(disks, [&] {
    if (key && check_run && !own.checkpoints.empty()) check_run();
  });
  if (!key) return;
  const auto info = info_of(run, key->step);
  const bool holds = own.checkpoints.contains(*key);
  const auto manifest = first_text(*disks.leaders, holds ? read_file(info.folder / checkpoint::kManifestFile) : "");
  const auto record = first_text(*disks.leaders, holds && fs::exists(run.record()) ? read_file(run.record()) : "");
  holds ? remove_damaged(info, own.checkpoints.at(*key)) : take_manifest(info, manifest);
  if (!fs::exists(run.record()) && !record.empty()) write_file(run.record(), record);
  write_file(run.checkpoints() / checkpoint::kTrackerFile, std::to_string(key->step));
  remove_older_parts(disks, run, own, *key);
}

std::optional<checkpoint::LoadedCheckpoint> load_spread_checkpoint(const Disks& disks, const hub::RunFolder& run, const std::vector<checkpoint::RunTensor>& tensors) {
  const auto step = checkpoint::tracked_step(run.checkpoints());
  if (!step || checkpoint::list_checkpoints(run.checkpoints()).empty()) return {};
  const auto info = info_of(run, *step);
  const auto needed = checkpoint::files_with(info, tensors);
  disks.world->barrier("waiting for all ranks to know what they need of the checkpoint");
  Names wanted;
  for (const auto& text : texts_of_all(*disks.own, Json(needed).dump()))
    for (const auto& name : Json::parse(text)) wanted.insert(name.get<std::string>());
  if (disks.leads()) give_files(disks, info, wanted);
  disks.own->barrier("waiting for the files of a checkpoint that are on another disk");
  return checkpoint::load_checkpoint(info, needed);
}

void gather_checkpoint(const Disks& disks, const hub::RunFolder& run) {
  const auto step = checkpoint::tracked_step(run.checkpoints());
  if (!step) return;
  const auto info = info_of(run, *step);
  give_files(disks, info, disks.index == 0 ? names_of_files(checkpoint::read_manifest(info.folder / checkpoint::kManifestFile)) : Names());
}

}  // namespace ingot::train
