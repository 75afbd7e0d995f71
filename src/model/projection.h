#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "model/parameters.h"

namespace ingot::model {

/// A linear layer's parameters: `weight` [out, in] and `bias` [out], undefined when there is none.
struct Projection {
  struct Sizes { int64_t in, out; };
  Projection(const ParameterScope& params, Sizes sizes, bool has_bias, double init_std);
  at::Tensor weight, bias;
};

}  // namespace ingot::model
