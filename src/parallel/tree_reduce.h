#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// `tensor`, float32, becomes the sum over the ranks, a power of two of them, in the order of ops/tree_sum.h: where every rank brings the sum of
/// its own branch, all get the bits of one tree over everything. Takes log2(size) exchanges of the whole tensor and its memory once more.
void tree_all_reduce(Communicator& communicator, at::Tensor tensor);

}  // namespace ingot::parallel
