#pragma once

#include <vector>

#include "checkpoint/run_checkpoint.h"
#include "temporary_folder.h"

namespace ingot::train {

/// Saves a state as the checkpoint of step 5 in `folder` and opens it.
checkpoint::LoadedCheckpoint save_and_open(const TemporaryFolder& folder, checkpoint::RunState state);

}  // namespace ingot::train
