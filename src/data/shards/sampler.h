#pragma once

#include <cstdint>
#include <vector>

namespace ingot::data {

/// Rows kept apart for evaluation and rows to train on, chosen by (seed) alone.
struct Split {
  std::vector<uint64_t> train, eval;  // ascending row numbers
};

/// Picks `num_eval` of `num_rows` rows for evaluation. Throws ConfigError when none would be left to train on.
Split split_rows(uint64_t num_rows, uint64_t num_eval, uint64_t seed);

/// Order of samples: which of `num_samples` is consumed as global sample `index` (0-based over all epochs). A stateless
/// function of (seed, epoch, index): resuming needs no state but the count of consumed samples.
class Sampler {
 public:
  Sampler(uint64_t num_samples, uint64_t seed, bool shuffle = true);
  uint64_t sample(uint64_t index) const;
  uint64_t epoch_of(uint64_t index) const { return index / num_samples_; }

 private:
  uint64_t num_samples_, seed_;
  bool shuffle_;
};

}  // namespace ingot::data
