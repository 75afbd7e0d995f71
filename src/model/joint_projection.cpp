#include "model/joint_projection.h"

#include <ATen/ATen.h>

#include <numeric>

namespace ingot::model {

JointProjection::JointProjection(const ParameterScope& params, const std::vector<std::string>& names,
                                 const Sizes& sizes, bool has_bias, double init_std)
    : outs(sizes.outs) {
  TORCH_CHECK(names.size() == 1 || names.size() == outs.size(), names.size(), " names for ", outs.size(), " maps");
  const auto all = std::accumulate(outs.begin(), outs.end(), int64_t{0});
  for (size_t i = 0; i < names.size(); ++i)
    projections.emplace_back(params.child(names[i]), Projection::Sizes{sizes.in, names.size() == 1 ? all : outs[i]},
                             has_bias, init_std);
}

std::vector<at::Tensor> JointProjection::forward(const RemakableInput& h) const {
  std::vector<const Projection*> pointers;
  for (const auto& projection : projections) pointers.push_back(&projection);
  auto found = project(h, pointers);
  return found.size() == outs.size() ? found : found[0].split_with_sizes(outs, -1);
}

}  // namespace ingot::model
