#include "model/projection.h"

#include <ATen/ATen.h>

namespace ingot::model {

Projection::Projection(const ParameterScope& params, Sizes sizes, bool has_bias, double init_std)
    : weight(params.normal("weight", {sizes.out, sizes.in}, init_std)),
      bias(has_bias ? params.zeros("bias", {sizes.out}) : at::Tensor()) {}

at::Tensor project(const RemakableInput& h, const Projection& projection) {
  return ops::linear(h.value, projection.weight, projection.bias, h.remake);
}

std::vector<at::Tensor> project(const RemakableInput& h, const std::vector<const Projection*>& projections) {
  std::vector<at::Tensor> weights, biases;
  for (const auto* projection : projections) {
    weights.push_back(projection->weight);
    if (projection->bias.defined()) biases.push_back(projection->bias);
  }
  return ops::linears(h.value, weights, biases, h.remake);
}

}  // namespace ingot::model
