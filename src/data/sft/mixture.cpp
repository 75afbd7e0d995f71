#include "data/sft/mixture.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace ingot::data {

std::vector<uint64_t> weighted(std::span<const uint64_t> samples, double weight, uint64_t seed, uint64_t set) {
  const double whole = std::floor(weight);
  const auto num_more = static_cast<uint64_t>(std::llround((weight - whole) * static_cast<double>(samples.size())));
  std::vector<uint64_t> chosen;
  for (auto times = static_cast<uint64_t>(whole); times > 0; --times) chosen.insert(chosen.end(), samples.begin(), samples.end());
  if (num_more > 0) {
    const Permutation order(samples.size(), seed, random_stream::kMixture, set);
    for (uint64_t i = 0; i < num_more; ++i) chosen.push_back(samples[order(i)]);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace ingot::data
