#include "data/shards/mixture.h"

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
    std::sort(chosen.end() - static_cast<int64_t>(num_more), chosen.end());
  }
  return chosen;
}

std::vector<double> interleave_weights(std::span<const uint64_t> sizes, std::span<const double> probabilities, Interleave ends) {
  double drawn = 0;  // samples of an epoch
  for (size_t set = 0; set < sizes.size(); ++set) {
    if (probabilities[set] == 0 || sizes[set] == 0) continue;
    const double until_read = static_cast<double>(sizes[set]) / probabilities[set];
    const bool later = drawn == 0 || (ends == Interleave::kOver ? until_read > drawn : until_read < drawn);
    if (later) drawn = until_read;
  }
  std::vector<double> weights;
  for (size_t set = 0; set < sizes.size(); ++set)
    weights.push_back(sizes[set] == 0 ? 0 : probabilities[set] * drawn / static_cast<double>(sizes[set]));
  return weights;
}

std::vector<uint64_t> spread(const std::vector<std::vector<uint64_t>>& parts) {
  struct Place {
    double at;  // as a share of the whole
    uint64_t element;
  };
  std::vector<Place> places;
  for (const auto& part : parts)
    for (size_t i = 0; i < part.size(); ++i)
      places.push_back({(static_cast<double>(i) + 0.5) / static_cast<double>(part.size()), part[i]});
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.at < b.at; });
  std::vector<uint64_t> all;
  for (const auto& place : places) all.push_back(place.element);
  return all;
}

}  // namespace ingot::data
