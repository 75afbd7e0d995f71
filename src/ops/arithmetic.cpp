#include "ops/arithmetic.h"

#include <ATen/Parallel.h>
#include <torch/csrc/api/include/torch/version.h>

#include "core/cpu.h"

namespace ingot::ops {
namespace {

/// Counted up with every change of a kernel that changes bits.
constexpr int kKernelVersion = 2;

}  // namespace

Json arithmetic() {
  return {{"threads", at::get_num_threads()},
          {"instruction set", name_of(isa())},
          {"kernel version", kKernelVersion},
          {"LibTorch", TORCH_VERSION}};
}

}  // namespace ingot::ops
