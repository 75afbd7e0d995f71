#include "train/tensor_terms.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ingot::train {
namespace {

/// What is summed of a gradient: all of it, or in `room` a block whose ranks share slices, with this one's in its place.
struct Term {
  at::Tensor own, room, place;
};

Term term_of_block(const model::Parameter& parameter, size_t block, const at::Tensor& gradient, const parallel::Communicator& tensor) {
  const auto slice = parameter.slices()[block];
  const int64_t dim = parameter.split.dim, units = parameter.split.blocks[block].units;
  const auto own = gradient.narrow(dim, slice.begin, slice.extent);
  auto shape = own.sizes().vec();
  shape[static_cast<size_t>(dim)] *= units;
  const auto room = at::zeros(shape, own.options());
  const auto place = room.narrow(dim, tensor.rank() * units / tensor.size() * slice.extent, slice.extent);
  place.copy_(own);
  return {own, room, place};
}

}  // namespace

bool TensorTerms::has(const model::Parameter& parameter) const {
  const auto& blocks = parameter.split.blocks;
  return tensor_.size() > 1 && (parameter.partial_gradient || std::any_of(blocks.begin(), blocks.end(), [&](const auto& block) { return block.units < tensor_.size(); }));
}

void TensorTerms::sum(const std::vector<GradientOf>& gradients) const {
  std::vector<Term> terms;
  for (const auto& [parameter, gradient] : gradients) {
    if (!has(*parameter)) continue;
    if (parameter->partial_gradient) terms.push_back({gradient, gradient, gradient});
    for (size_t block = 0; block < parameter->split.blocks.size(); ++block)
      if (parameter->split.blocks[block].units < tensor_.size()) terms.push_back(term_of_block(*parameter, block, gradient, tensor_));
  }
  if (terms.empty()) return;
  std::vector<at::Tensor> rooms;
  for (const auto& term : terms) rooms.push_back(term.room.reshape({-1}));
  const auto all = at::cat(rooms);
  tensor_.all_reduce(all);
  int64_t begin = 0;
  for (const auto& term : terms) {
    term.room.copy_(all.narrow(0, begin, term.room.numel()).view(term.room.sizes()));
    begin += term.room.numel();
    term.own.copy_(term.place);
  }
}

}  // namespace ingot::train
