#include "ops/tree_sum.h"

#include <ATen/ATen.h>

#include <bit>

namespace ingot::ops {
namespace {

/// lower + upper, into the memory of either; undefined counts as nothing.
at::Tensor add_branches(const at::Tensor& lower, const at::Tensor& upper) {
  if (!lower.defined()) return upper;
  return upper.defined() ? lower.add_(upper) : lower;
}

}  // namespace

void TreeSum::add(at::Tensor leaf) {
  TORCH_CHECK(!leaf.defined() || leaf.scalar_type() == at::kFloat, "a tree sums float32");
  const at::NoGradGuard no_grad;
  size_t level = 0;
  for (uint64_t full = num_leaves_++; full & 1; full >>= 1, ++level) {
    leaf = add_branches(branches_[level], leaf);
    branches_[level].reset();
  }
  if (level == branches_.size()) branches_.emplace_back();
  branches_[level] = std::move(leaf);
}

at::Tensor TreeSum::take() {
  TORCH_CHECK(std::has_single_bit(num_leaves_), "a tree of ", num_leaves_, " leaves has no single root");
  const auto root = std::move(branches_.back());
  branches_.clear();
  num_leaves_ = 0;
  return root;
}

}  // namespace ingot::ops
