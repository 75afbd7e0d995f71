#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/run_checkpoint.h"
#include "hub/run_folder.h"
#include "train/disks.h"

namespace ingot::train {

/// Of a run on several disks, of which each has the files that its ranks have written of a checkpoint. The leaders call it when they have locked
/// the run's folder, before anything else looks into it: afterwards each disk's tracker file names the newest checkpoint of which every file is on
/// one of them, whole in every byte, and a disk that had nothing of it has its manifest and the run's record. Before anything is written
/// `check_run` is called on the disks that have checkpoints; what it throws ends all. Throws ConfigError when the disks hold different runs, or
/// the folders of one lead elsewhere, DataError when there are checkpoints and none is whole.
void agree_on_checkpoint(const Disks& disks, const hub::RunFolder& run, const std::function<void()>& check_run = {});

/// That checkpoint, when there is one, with all that a rank needs who has `tensors`: files that its disk lacks come from another. Every rank
/// calls it. Throws DataError for a file that is not as the manifest says.
std::optional<checkpoint::LoadedCheckpoint> load_spread_checkpoint(const Disks& disks, const hub::RunFolder& run, const std::vector<checkpoint::RunTensor>& tensors);

/// Brings what disk 0 lacks of the newest checkpoint there. The leaders call it.
void gather_checkpoint(const Disks& disks, const hub::RunFolder& run);

}  // namespace ingot::train
