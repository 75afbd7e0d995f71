#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// Which elements of a matrix are dropped: each with this probability, by random numbers that depend on nothing but the
/// row's key, `stream` and the column. So the pass backward, a resumed run and any layout drop the same ones.
struct DropoutRule {
  double probability = 0;  // at least 0, below 1; taken to the nearest 1/65536
  uint64_t stream = 0;     // of this layer; see named_stream
};

/// x with dropped elements zero and the others divided by the share that is kept. It is its own transpose: applied to
/// d_out it gives d_x. No graph is recorded.
///   x     [rows, width]
///   keys  [rows]  int64
at::Tensor keyed_dropout(const at::Tensor& x, const at::Tensor& keys, const DropoutRule& rule);

/// The same as a step of the graph; x itself where `keys` is undefined or nothing is dropped.
///   x     [..., width]
///   keys  one for each row of x, of any shape
at::Tensor dropped(const at::Tensor& x, const at::Tensor& keys, const DropoutRule& rule);

}  // namespace ingot::ops
