#include "model/projection.h"

#include <ATen/ATen.h>

namespace ingot::model {

Projection::Projection(const ParameterScope& params, Sizes sizes, bool has_bias, double init_std)
    : weight(params.normal("weight", {sizes.out, sizes.in}, init_std)),
      bias(has_bias ? params.zeros("bias", {sizes.out}) : at::Tensor()) {}

}  // namespace ingot::model
