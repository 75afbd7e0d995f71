#pragma once

#include "workflows/train.h"

namespace ingot::workflows {

/// Raw files to shards under OUTPUT/data, without training; by all ranks of the job that this process was started for
/// (launch/rank_variables.h), over a disk that they share. Returns the exit code.
int preprocess(const TrainRequest& request);

}  // namespace ingot::workflows
