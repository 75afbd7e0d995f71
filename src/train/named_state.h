#pragma once

#include <string>
#include <vector>

#include "checkpoint/hf_folder.h"
#include "checkpoint/state_reader.h"

namespace ingot::train {

/// Reads those of `from` whose names begin with `prefix` into the tensors of `into`, matched by name, one by one. Throws
/// DataError naming the tensor when one is missing, unknown, or of another shape or dtype.
void read_named_state(const checkpoint::StateReader& from, const std::string& prefix,
                      const std::vector<checkpoint::NamedTensor>& into);

}  // namespace ingot::train
