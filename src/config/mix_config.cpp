#include "config/mix_config.h"

#include <cmath>
#include <numeric>

namespace ingot::config {
namespace {

void check_weights(Problems& problems, const std::vector<double>& weights, size_t num_datasets) {
  if (weights.empty()) return;
  problems.expect(weights.size() == num_datasets, "dataset_weights", weights.size(), fmt::format("one for each of {} data sets", num_datasets));
  problems.expect(std::accumulate(weights.begin(), weights.end(), 0.0) > 0, "dataset_weights", "0 for all", "one that is more");
}

void check_shares(Problems& problems, const MixConfig& config, size_t num_datasets) {
  const auto& probs = config.interleave_probs;
  if (probs.empty()) return;
  problems.expect(config.mix_strategy != "concat", "interleave_probs", "given with mix_strategy concat", "mix_strategy interleave_under or interleave_over");
  problems.expect(probs.size() == num_datasets, "interleave_probs", probs.size(), fmt::format("one for each of {} data sets", num_datasets));
  const double sum = std::accumulate(probs.begin(), probs.end(), 0.0);
  problems.expect(std::abs(sum - 1) < 1e-6, "interleave_probs", fmt::format("a sum of {}", sum), "1");
}

}  // namespace

void check_mix(Problems& problems, const MixConfig& config, size_t num_datasets) {
  if (config.mix_strategy != "concat" && !config.dataset_weights.empty()) problems.add("mix_strategy: found together with dataset_weights, wanted one of them");
  check_weights(problems, config.dataset_weights, num_datasets);
  check_shares(problems, config, num_datasets);
}

}  // namespace ingot::config
