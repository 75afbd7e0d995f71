#include "checkpoint/torch/strided_copy.h"

#include <cstring>
#include <vector>

namespace ingot::checkpoint {
namespace {

struct Dim {
  int64_t size, stride;
};

/// The outer dims, and how many elements lie without gaps inside each step of theirs. Dims of one element have no part.
struct Steps {
  std::vector<Dim> outer;
  int64_t run = 1;
};

Steps steps_of(const StridedView& view) {
  Steps steps;
  for (size_t dim = 0; dim < view.shape.size(); ++dim)
    if (view.shape[dim] != 1) steps.outer.push_back({view.shape[dim], view.strides[dim]});
  for (; !steps.outer.empty() && steps.outer.back().stride == steps.run; steps.outer.pop_back())
    steps.run *= steps.outer.back().size;
  return steps;
}

}  // namespace

void copy_strided(const std::byte* from, const StridedView& view, std::byte* to) {
  const auto [outer, run] = steps_of(view);
  const uint64_t run_bytes = static_cast<uint64_t>(run) * view.element_bytes;
  Shape index(outer.size(), 0);
  int64_t at = 0;  // element of the view's memory
  for (;;) {
    std::memcpy(to, from + static_cast<uint64_t>(at) * view.element_bytes, run_bytes);
    to += run_bytes;
    size_t dim = outer.size();
    for (; dim > 0; --dim) {  // as an odometer counts
      at += outer[dim - 1].stride;
      if (++index[dim - 1] < outer[dim - 1].size) break;
      at -= outer[dim - 1].stride * outer[dim - 1].size;
      index[dim - 1] = 0;
    }
    if (dim == 0) return;
  }
}

}  // namespace ingot::checkpoint
