#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/parameters.h"
#include "parallel/communicator.h"

namespace ingot::train {

/// A parameter, and the float32 sum of its gradients.
struct GradientOf {
  const model::Parameter* parameter;
  at::Tensor gradient;
};

/// Gradients of which the tensor ranks have a term each: of what all of them hold, or of a slice that some share.
class TensorTerms {
 public:
  explicit TensorTerms(parallel::Communicator& tensor) : tensor_(tensor) {}
  bool has(const model::Parameter& parameter) const;
  /// Makes them whole, all with one call; of others nothing is changed. Tensor ranks bring the same parameters.
  void sum(const std::vector<GradientOf>& gradients) const;

 private:
  parallel::Communicator& tensor_;
};

}  // namespace ingot::train
