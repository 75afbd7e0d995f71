#include "parallel/communicator.h"

#include <ATen/ATen.h>

namespace ingot::parallel {
namespace {

Begun when_waited_for(std::function<void()> call) {
  return {std::move(call), [] { return false; }};
}

}  // namespace

Begun Communicator::begin_all_reduce(at::Tensor tensor) {
  return when_waited_for([this, tensor] { all_reduce(tensor); });
}

Begun Communicator::begin_reduce_scatter(at::Tensor part, const at::Tensor& whole) {
  return when_waited_for([this, part, whole] { reduce_scatter(part, whole); });
}

Begun Communicator::begin_all_gather(at::Tensor whole, const at::Tensor& part) {
  return when_waited_for([this, whole, part] { all_gather(whole, part); });
}

}  // namespace ingot::parallel
