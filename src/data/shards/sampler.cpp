#include "data/shards/sampler.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/random.h"

namespace ingot::data {

Split split_rows(uint64_t num_rows, uint64_t num_eval, uint64_t seed) {
  if (num_eval >= num_rows)
    throw ConfigError(fmt::format("{} rows for evaluation leave none of {} to train on", num_eval, num_rows));
  const Permutation order(num_rows, seed, random_stream::kSplit, 0);
  Split split;
  for (uint64_t i = 0; i < num_eval; ++i) split.eval.push_back(order(i));
  std::sort(split.eval.begin(), split.eval.end());
  split.train.reserve(num_rows - num_eval);
  auto kept_apart = split.eval.begin();
  for (uint64_t row = 0; row < num_rows; ++row) {
    if (kept_apart != split.eval.end() && *kept_apart == row) ++kept_apart;
    else split.train.push_back(row);
  }
  return split;
}

Sampler::Sampler(uint64_t num_samples, uint64_t seed, bool shuffle)
    : num_samples_(num_samples), seed_(seed), shuffle_(shuffle) {
  if (num_samples == 0) throw ConfigError("no samples to draw from, at least 1 wanted");
}

uint64_t Sampler::sample(uint64_t index) const {
  const uint64_t place = index % num_samples_;
  return shuffle_ ? Permutation(num_samples_, seed_, random_stream::kSampleOrder, epoch_of(index))(place) : place;
}

}  // namespace ingot::data
