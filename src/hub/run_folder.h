#pragma once

#include <filesystem>

#include "core/lease.h"

namespace ingot::hub {

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
  std::filesystem::path adapter() const { return path / "adapter"; }          // the exported adapter of a LoRA run
};

/// Throws ConfigError naming a file in the folder that is of no run, when no run has been there; ConfigError or CommError where
/// nothing can be written. Writes nothing itself.
void check_run_folder(const RunFolder& run);

/// Held while a run works in its folder, so that two never do: RUN/.lease.
class RunLock {
 public:
  /// Throws ConfigError when another process holds it, as check_run_folder, and as Lease.
  explicit RunLock(const RunFolder& run);

 private:
  Lease lease_;
};

}  // namespace ingot::hub
