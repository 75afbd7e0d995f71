#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// Where every rank has the whole of a tensor and goes on with a part of the weights: x itself. Backward: the sum of the ranks' gradients.
/// Source: Shoeybi et al. 2019 (f of figure 3).
at::Tensor copy_to_ranks(const at::Tensor& x, Communicator& ranks);

/// The sum of what the ranks' parts of the weights give, made in float32 and rounded once. Backward: the gradient on each (g of figure 3).
at::Tensor sum_of_ranks(const at::Tensor& part, Communicator& ranks);

/// The ranks' parts one after another in the last dimension. No graph is recorded.
at::Tensor joined_over_ranks(const at::Tensor& part, Communicator& ranks);

}  // namespace ingot::parallel
