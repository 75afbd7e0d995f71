#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/projection.h"

namespace ingot::model {

/// Linear maps of one input that a family keeps in one matrix, their rows one after another, or in one matrix each.
struct JointProjection {
  /// `outs` holds the width of each map; `names` one name for all of them or one each.
  JointProjection(const ParameterScope& params, const std::vector<std::string>& names, std::vector<int64_t> outs);
  /// The maps' outputs for h [..., in], each [..., out].
  std::vector<at::Tensor> forward(const RemakableInput& h) const;

  std::vector<Projection> projections;
  std::vector<int64_t> outs;
};

}  // namespace ingot::model
