#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ingot::data {

/// The samples of an epoch when each is used `weight` times: every one floor(weight) times, and of the rest a share
/// chosen by (seed, set) alone, the same in every epoch. Round by round, each ascending. `set` is the data set's number.
std::vector<uint64_t> weighted(std::span<const uint64_t> samples, double weight, uint64_t seed, uint64_t set);

/// When data sets drawn from with these probabilities count as read: all end with the first (under), or with the last,
/// the others repeated (over).
enum class Interleave { kUnder, kOver };

/// The weight of each data set, of `sizes` samples, with which an epoch holds them in the shares of `probabilities`.
std::vector<double> interleave_weights(std::span<const uint64_t> sizes, std::span<const double> probabilities, Interleave ends);

/// The elements of all parts, each part's in its order and evenly spread over the whole.
std::vector<uint64_t> spread(const std::vector<std::vector<uint64_t>>& parts);

}  // namespace ingot::data
