#pragma once

#include <string>
#include <vector>

#include "core/problems.h"
#include "train/plan/planned_parameters.h"
#include "train/plan/run_shape.h"

namespace ingot::train {

/// Reports what of the layout the model, the batch or the rows cannot be dealt to, each with the nearest numbers that are possible.
/// Axes are called as the flags of `ingot plan` are: tp, pp, cp, ep, dp, zero.
void check_layout(Problems& problems, const RunShape& shape, const std::vector<PlannedParameter>& parameters);
bool is_possible(const RunShape& shape, const std::vector<PlannedParameter>& parameters);

/// Whether every matrix can be cut into so many parts: heads, key/value heads (or ranks that share one), columns and the vocabulary.
bool can_share_matrices(const std::vector<PlannedParameter>& parameters, int64_t tp);

/// Whether `train` runs it today: data parallel ranks with whole weights.
bool runs_here(const RunShape& shape);

}  // namespace ingot::train
