#include "train/mix_sets.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "data/shards/mixture.h"

namespace ingot::train {
namespace {

std::vector<double> weights_of(const config::MixConfig& mix, const std::vector<uint64_t>& sizes) {
  if (mix.mix_strategy == "concat") return mix.dataset_weights.empty() ? std::vector<double>(sizes.size(), 1) : mix.dataset_weights;
  const std::vector<double> even(sizes.size(), 1.0 / static_cast<double>(sizes.size()));
  const auto ends = mix.mix_strategy == "interleave_over" ? data::Interleave::kOver : data::Interleave::kUnder;
  return data::interleave_weights(sizes, mix.interleave_probs.empty() ? even : mix.interleave_probs, ends);
}

}  // namespace

std::vector<uint64_t> NumberedSets::of_set(const std::vector<uint64_t>& rows, size_t set) const {
  const auto begin = std::lower_bound(rows.begin(), rows.end(), starts.at(set));
  return {begin, std::lower_bound(begin, rows.end(), starts.at(set + 1))};
}

std::vector<uint64_t> mix_sets(const config::TrainConfig& config, const NumberedSets& sets, const std::vector<uint64_t>& rows) {
  if (config.mix.is_plain()) return rows;
  std::vector<uint64_t> sizes;
  for (size_t set = 0; set < sets.names.size(); ++set) sizes.push_back(sets.of_set(rows, set).size());
  const auto weights = weights_of(config.mix, sizes);
  std::vector<std::vector<uint64_t>> parts;
  for (size_t set = 0; set < sets.names.size(); ++set) {
    parts.push_back(data::weighted(sets.of_set(rows, set), weights[set], config.seed, set));
    log_info(fmt::format("{}: {} rows, {:.3g} times each: {} in an epoch", sets.names[set], sizes[set], weights[set], parts.back().size()));
  }
  if (config.mix.mix_strategy != "concat") return data::spread(parts);
  std::vector<uint64_t> chosen;
  for (const auto& part : parts) chosen.insert(chosen.end(), part.begin(), part.end());
  return chosen;
}

Json mix_identity(const config::MixConfig& mix) {
  return {{"dataset_weights", mix.dataset_weights}, {"mix_strategy", mix.mix_strategy}, {"interleave_probs", mix.interleave_probs}};
}

}  // namespace ingot::train
