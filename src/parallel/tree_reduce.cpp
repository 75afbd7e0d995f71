#include "parallel/tree_reduce.h"

#include <ATen/ATen.h>

#include <bit>

namespace ingot::parallel {

void tree_all_reduce(Communicator& communicator, at::Tensor tensor) {
  TORCH_CHECK(std::has_single_bit(static_cast<uint64_t>(communicator.size())), "a tree over ", communicator.size(), " ranks");
  const at::NoGradGuard no_grad;
  at::Tensor other;
  for (int64_t distance = 1; distance < communicator.size(); distance *= 2) {
    if (!other.defined()) other = at::empty_like(tensor);
    communicator.exchange(tensor, other, communicator.rank() ^ distance);
    tensor.add_(other);  // a sum of two numbers does not depend on their order
  }
}

}  // namespace ingot::parallel
