#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "data/shards/batch.h"

namespace ingot::train {

/// A number for each token of a batch that depends on seed, step, its sample and the place in that alone: what is
/// dropped is the same in a resumed run and however the global batch is cut. A sample is a row or, where sample_ids
/// names one for each segment, a segment.
///   returns  [rows, seq]  int64, on the CPU
at::Tensor dropout_keys(const data::Batch& batch, uint64_t seed, int64_t step);

}  // namespace ingot::train
