#pragma once

#include <cstdint>

#include "core/problems.h"

namespace ingot::train {

struct BatchConfig {
  int64_t global_batch = 8;  // sequences per optimizer step
  int64_t micro_batch = 1;   // sequences per forward pass
  void check(Problems& problems) const;
};

/// Samples consumed in `num_epochs` (also a fraction) of `num_samples` samples, at least 1. Throws ConfigError when the number
/// passes 2^62.
uint64_t samples_of_epochs(double num_epochs, uint64_t num_samples);

/// Optimizer steps that consume `num_samples`; the last one may have fewer than `global_batch`.
int64_t steps_of_samples(uint64_t num_samples, int64_t global_batch);

}  // namespace ingot::train
