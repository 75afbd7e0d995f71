#pragma once

#include <string>
#include <vector>

#include "checkpoint/run_checkpoint.h"
#include "model/parameters.h"

namespace ingot::train {

/// A tensor of a parameter's shape, or of this rank's part of it, as a run's state has it under PREFIX and the parameter's name.
checkpoint::RunTensor state_tensor(const std::string& prefix, const model::Parameter& parameter, at::Tensor value);

/// The same of `rows` of it alone, which are its rows from `first` on.
checkpoint::RunTensor rows_of_state_tensor(checkpoint::RunTensor tensor, at::Tensor rows, int64_t first);

/// The value itself, or the rows of it that this rank keeps.
checkpoint::RunTensor value_tensor(const std::string& prefix, const model::Parameter& parameter);

/// Reads those of `from` whose names begin with `prefix` into the tensors of `into`, or the slices that they are made of, matched by name, one by one. Throws
/// DataError naming the tensor when one is missing, unknown, or of another shape or dtype.
void read_named_state(const checkpoint::StateReader& from, const std::string& prefix,
                      const std::vector<checkpoint::RunTensor>& into);

}  // namespace ingot::train
