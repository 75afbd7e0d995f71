#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "data/shards/batch.h"

namespace ingot::train {

/// A number for each token of a batch that depends on seed, step, the row's sample and the place in the row alone:
/// what is dropped is the same in a resumed run and however the global batch is cut.
///   returns  [rows, seq]  int64, on the CPU
at::Tensor dropout_keys(const data::Batch& batch, uint64_t seed, int64_t step);

}  // namespace ingot::train
