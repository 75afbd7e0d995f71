#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "model/parameters.h"
#include "ops/linear.h"
#include "parallel/communicator.h"

namespace ingot::model {

/// A matrix product's input with the way to make it again; `remake` is empty when it is to be kept.
struct RemakableInput {
  at::Tensor value;
  ops::Remake remake;
  ops::RowKeys dropout_keys = {};  // for adapters with dropout; see ModelInput
};

/// A linear layer's parameters: `weight` [out, in] and `bias` [out], undefined when there is none; and its place in the
/// list of layers that an adapter may be added to.
struct Projection {
  explicit Projection(const ParameterScope& params, LayerKind kind = LayerKind::kLinear);
  at::Tensor weight, bias;
  std::shared_ptr<const LinearLayer> layer;
};

/// The output of a projection of h [..., in]: [..., out].
at::Tensor project(const RemakableInput& h, const Projection& projection);

/// The same where each of `ranks` has some of the inputs and the columns of the weight for them: this rank's term of the sum over them, of which
/// the first one's has the bias.
at::Tensor project_part(const RemakableInput& h, const Projection& projection, const parallel::Communicator& ranks);

/// The outputs of several projections of one input as one step of the graph; all of them have a bias or none has.
std::vector<at::Tensor> project(const RemakableInput& h, const std::vector<const Projection*>& projections);

}  // namespace ingot::model
