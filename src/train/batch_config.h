#pragma once

#include <cstdint>

#include "core/problems.h"

namespace ingot::train {

struct BatchConfig {
  int64_t global_batch = 8;  // sequences per optimizer step
  int64_t micro_batch = 1;   // sequences per forward pass
  void check(Problems& problems) const;
};

/// Optimizer steps in which `num_epochs` (also a fraction) of `num_samples` samples are consumed; the last step may
/// reach into the next epoch. At least 1. Throws ConfigError when the number of steps passes 2^62.
int64_t steps_of_epochs(double num_epochs, uint64_t num_samples, int64_t global_batch);

}  // namespace ingot::train
