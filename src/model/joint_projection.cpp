#include "model/joint_projection.h"

#include <ATen/ATen.h>

#include <utility>

namespace ingot::model {

JointProjection::JointProjection(const ParameterScope& params, const std::vector<std::string>& names, std::vector<int64_t> widths)
    : outs(std::move(widths)) {
  TORCH_CHECK(names.size() == 1 || names.size() == outs.size(), names.size(), " names for ", outs.size(), " maps");
  for (const auto& name : names) projections.emplace_back(params.child(name));
}

std::vector<at::Tensor> JointProjection::forward(const RemakableInput& h) const {
  std::vector<const Projection*> pointers;
  for (const auto& projection : projections) pointers.push_back(&projection);
  auto found = project(h, pointers);
  return found.size() == outs.size() ? found : found[0].split_with_sizes(outs, -1);
}

}  // namespace ingot::model
