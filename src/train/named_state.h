#pragma once

#include <vector>

#include "checkpoint/hf_folder.h"

namespace ingot::train {

/// Copies those of `from` whose names begin with `prefix` into the tensors of `into`, matched by name. Throws DataError
/// naming the tensor when one is missing, unknown, or of another shape or dtype.
void copy_named_state(const std::vector<checkpoint::NamedTensor>& from, const std::string& prefix,
                      const std::vector<checkpoint::NamedTensor>& into);

}  // namespace ingot::train
