#pragma once

#include "workflows/train.h"

namespace ingot::workflows {

/// Raw files to shards under OUTPUT/data, without training. Returns the exit code.
int preprocess(const TrainRequest& request);

}  // namespace ingot::workflows
