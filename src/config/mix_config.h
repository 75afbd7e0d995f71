#pragma once

#include <string>
#include <vector>

#include "core/problems.h"

namespace ingot::config {

/// How several data sets make up an epoch, in either stage.
struct MixConfig {
  std::vector<double> dataset_weights;    // times each row of a data set is used in an epoch; empty: once
  std::string mix_strategy = "concat";    // or interleave_under, interleave_over, see data::Interleave
  std::vector<double> interleave_probs;   // share of each data set; empty: equal ones
  /// Every row once, one data set behind another.
  bool is_plain() const { return mix_strategy == "concat" && dataset_weights.empty(); }
};

/// Reports keys that do not fit each other, or the data sets.
void check_mix(Problems& problems, const MixConfig& config, size_t num_datasets);

}  // namespace ingot::config
