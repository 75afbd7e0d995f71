#pragma once

#include <filesystem>

#include "core/lease.h"

namespace ingot::hub {

/// Begins the names of files by which ranks find out who sees a folder: train/disks.h.
inline constexpr const char* kSightMark = ".seen-";

/// Where a run keeps its things under output_dir.
struct RunFolder {
  explicit RunFolder(std::filesystem::path output_dir) : path(std::move(output_dir)) {}
  std::filesystem::path path;
  std::filesystem::path data() const { return path / "data"; }                // shards and ledgers
  std::filesystem::path checkpoints() const { return path / "checkpoints"; }
  std::filesystem::path source() const { return path / "source"; }            // config and tokenizer of the model that came in
  std::filesystem::path layout() const { return path / "source_layout"; }     // how its weights lay in their files
  std::filesystem::path record() const { return path / "run.json"; }          // what it is a run of: run_record.h
  std::filesystem::path model() const { return path / "model"; }              // the exported Hugging Face folder
  std::filesystem::path profile() const { return path / "profile"; }          // what each rank did when: core/trace.h
  std::filesystem::path adapter() const { return path / "adapter"; }          // the exported adapter of a LoRA run
};

/// Throws ConfigError naming a file in the folder when that is not empty and no run's: it has neither our mark (folder_mark.h) nor a
/// run.json of ours, or a foreign checkpoint stands in it (checkpoint/own_folder.h); ConfigError or CommError where nothing can be
/// written in it, or in its data or checkpoints. Writes nothing itself.
void check_run_folder(const RunFolder& run);

/// Throws ConfigError naming what stands where a run exports to and may not be replaced.
void check_run_exports(const RunFolder& run, bool has_adapter);

/// Throws ConfigError when `target`, of an export or a conversion, is one of the folders that a run works with, or in one.
void check_outside_runs(const std::filesystem::path& target);

/// Held while a run works in its folder, so that two never do: RUN/.lease. The folder gets our mark.
class RunLock {
 public:
  /// Throws ConfigError when another process holds it, as check_run_folder, and as Lease.
  explicit RunLock(const RunFolder& run);

 private:
  Lease lease_;
};

}  // namespace ingot::hub
