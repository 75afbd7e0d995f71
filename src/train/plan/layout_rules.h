#pragma once

#include <string>
#include <vector>

#include "core/problems.h"
#include "train/plan/planned_parameters.h"
#include "train/plan/run_shape.h"

namespace ingot::train {

/// What axes are called: the flags of `ingot plan`.
struct LayoutNames {
  const char *tp = "tp", *pp = "pp", *virtual_stages = "virtual stages", *cp = "cp", *ep = "ep", *zero = "zero";
  const char* dp = "dp";  // null: the batch is not looked at
};
/// The keys of a configuration.
inline constexpr LayoutNames kLayoutKeys{"tensor_model_parallel_size", "pipeline_model_parallel_size", "virtual_pipeline_model_parallel_size",
                                         "context_parallel_size",      "expert_model_parallel_size",   "zero_stage",
                                         nullptr};

/// Reports what of the layout the model, the batch or the rows cannot be dealt to, each with the nearest numbers that are possible.
void check_layout(Problems& problems, const RunShape& shape, const std::vector<PlannedParameter>& parameters, const LayoutNames& names = {});
bool is_possible(const RunShape& shape, const std::vector<PlannedParameter>& parameters);

/// Whether every matrix can be cut into so many parts: heads, key/value heads (or ranks that share one), columns and the vocabulary.
bool can_share_matrices(const std::vector<PlannedParameter>& parameters, int64_t tp);

}  // namespace ingot::train
