#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "parallel/communicator.h"

namespace ingot::train {

/// The disks on which the ranks of a job keep the folder of their run: one that all see, or several, as each machine has its own. On each the
/// first rank leads: it prepares the folder, and publishes checkpoints there.
class Disks {
 public:
  /// One that all see.
  explicit Disks(parallel::Communicator& world) : world(&world), own(&world) {}
  /// Finds out by files that appear in the folder for a moment. Every rank calls it. Throws ConfigError where ranks see one another's in one
  /// direction alone, and as make_folder. A new file may take up to `sight` to be seen.
  Disks(parallel::Communicator& world, const std::filesystem::path& folder, std::chrono::milliseconds sight = std::chrono::seconds(3));

  parallel::Communicator* world;
  int64_t count = 1;
  int64_t index = 0;            // of this rank's
  int64_t leader = 0;           // the rank that leads this rank's
  parallel::Communicator* own;  // the ranks that see it
  parallel::Communicator* leaders = nullptr;  // of all disks, in their order, on those ranks, where there are several
  bool leads() const { return own->rank() == 0; }

 private:
  std::unique_ptr<parallel::Communicator> own_, leaders_;
};

}  // namespace ingot::train
