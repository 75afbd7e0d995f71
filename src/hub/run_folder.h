#pragma once

#include <filesystem>

namespace ingot::hub {

/// Where a run keeps its things under output_dir.
struct RunFolder {
  explicit RunFolder(std::filesystem::path output_dir) : path(std::move(output_dir)) {}
  std::filesystem::path path;
  std::filesystem::path data() const { return path / "data"; }                // shards and ledgers
  std::filesystem::path checkpoints() const { return path / "checkpoints"; }
  std::filesystem::path source() const { return path / "source"; }            // config and tokenizer of the model that came in
  std::filesystem::path model() const { return path / "model"; }              // the exported Hugging Face folder
  std::filesystem::path adapter() const { return path / "adapter"; }          // the exported adapter of a LoRA run
};

/// Held while a run works in its folder, so that two never do. Freed by the system however the process ends.
class RunLock {
 public:
  /// Throws ConfigError when another process holds it.
  explicit RunLock(const RunFolder& run);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace ingot::hub
