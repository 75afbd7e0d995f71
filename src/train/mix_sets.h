#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/train_config.h"
#include "core/json.h"

namespace ingot::train {

/// Rows (stage sft: samples) of several data sets, numbered through in their order.
struct NumberedSets {
  std::vector<std::string> names;
  std::vector<uint64_t> starts;  // [names + 1]  number of the first row of each data set, and behind them the end
  /// Those of `rows`, ascending, that belong to one data set.
  std::vector<uint64_t> of_set(const std::vector<uint64_t>& rows, size_t set) const;
};

/// The rows of an epoch: `rows`, ascending, every data set with its weight: one set behind another, or taking turns. Says
/// what each data set gives, where that is not every row once.
std::vector<uint64_t> mix_sets(const config::TrainConfig& config, const NumberedSets& sets, const std::vector<uint64_t>& rows);

/// What of the configuration decides it.
Json mix_identity(const config::MixConfig& mix);

}  // namespace ingot::train
