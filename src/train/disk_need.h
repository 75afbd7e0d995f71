#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace ingot::train {

/// What the disk that a run takes follows from.
struct RunSizes {
  uint64_t trainable = 0;                 // parameters
  uint64_t value_bytes = 4;               // of a trainable parameter as the model computes; below 4 it has a float32 master
  uint64_t export_bytes = 0;              // of the exported model
  bool lora = false;                      // an adapter is exported beside it
  int64_t save_steps = 0, save_total_limit = 0;  // see LoopConfig
  std::optional<int64_t> max_steps;       // absent: not known yet
};

/// The most that lies on the disk of it at one time.
struct DiskNeed {
  uint64_t checkpoint = 0, num_checkpoints = 0;  // bytes of one; one more than the limit, for the oldest goes when the newest is whole
  uint64_t exported = 0;
  uint64_t total() const { return checkpoint * num_checkpoints + exported; }
};

DiskNeed disk_need(const RunSizes& sizes);

/// Throws CommError naming output_dir, the bytes free on its disk and those wanted, when they do not fit; what lies in
/// OUTPUT/checkpoints already is counted as theirs. Does nothing where the disk does not tell.
void check_disk(const std::filesystem::path& output_dir, const DiskNeed& need);

}  // namespace ingot::train
