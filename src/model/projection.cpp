#include "model/projection.h"

#include <ATen/ATen.h>

namespace ingot::model {

Projection::Projection(const ParameterScope& params, LayerKind kind)
    : weight(params.value("weight")), bias(params.value_if_any("bias")), layer(params.linear_layer(kind)) {}

at::Tensor project(const RemakableInput& h, const Projection& projection) {
  return project(h, std::vector{&projection})[0];
}

at::Tensor project_part(const RemakableInput& h, const Projection& projection, const parallel::Communicator& ranks) {
  if (ranks.size() == 1 || !projection.bias.defined()) return project(h, projection);
  Projection part = projection;
  part.bias = projection.bias * (ranks.rank() == 0 ? 1 : 0);  // on all ranks, whose graphs must be alike
  return project(h, part);
}

std::vector<at::Tensor> project(const RemakableInput& h, const std::vector<const Projection*>& projections) {
  std::vector<at::Tensor> weights, biases;
  std::vector<ops::LowRank> adapters;
  for (const auto* projection : projections) {
    weights.push_back(projection->weight);
    if (projection->bias.defined()) biases.push_back(projection->bias);
    adapters.push_back(projection->layer->adapter);
  }
  return ops::adapted_linears(h.value, weights, biases, adapters, h.dropout_keys, h.remake);
}

}  // namespace ingot::model
