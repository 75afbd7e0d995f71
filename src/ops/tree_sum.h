#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ingot::ops {

/// The sum of float32 tensors, which come one after another, in a fixed binary tree over all of them: ((0+1)+(2+3))+((4+5)+(6+7)).
/// Whoever holds a whole branch of the tree gets the same bits for it: 2, 4 or 8 summers of a part each and then of their sums make
/// the same as one. A leaf without a tensor is left out, and its neighbour goes up alone. At most log2(leaves) + 1 sums are alive.
/// Source: Demmel and Nguyen 2015 (reproducible summation needs an order that does not depend on who sums).
class TreeSum {
 public:
  /// The next leaf; undefined: nothing. Its memory becomes the tree's.
  void add(at::Tensor leaf);
  /// The sum of the leaves so far, a power of two of them, undefined when none has a tensor; the tree is empty afterwards.
  at::Tensor take();

 private:
  std::vector<at::Tensor> branches_;  // [i]: a whole branch of 2^i leaves that waits for its neighbour, where that bit of num_leaves_ is set
  uint64_t num_leaves_ = 0;
};

}  // namespace ingot::ops
