#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ingot::data {

/// The samples of an epoch when each is used `weight` times: every one floor(weight) times, and of the rest a share
/// chosen by (seed, set) alone, the same in every epoch. Ascending. `set` is the data set's number.
std::vector<uint64_t> weighted(std::span<const uint64_t> samples, double weight, uint64_t seed, uint64_t set);

}  // namespace ingot::data
