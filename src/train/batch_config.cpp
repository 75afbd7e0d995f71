#include "train/batch_config.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace ingot::train {

void BatchConfig::check(Problems& problems) const {
  problems.expect(micro_batch >= 1, "micro_batch_size", micro_batch, "1 or more");
  problems.expect(micro_batch < 1 || (global_batch >= 1 && global_batch % micro_batch == 0), "global_batch_size",
                  global_batch, fmt::format("a multiple of micro_batch_size = {}", micro_batch));
}

uint64_t samples_of_epochs(double num_epochs, uint64_t num_samples) {
  const double samples = std::ceil(num_epochs * static_cast<double>(num_samples));
  if (!(samples < 0x1p62))
    throw ConfigError(fmt::format("num_train_epochs: found {}, wanted fewer than 2^62 rows from it", num_epochs));
  return std::max<uint64_t>(1, static_cast<uint64_t>(samples));
}

int64_t steps_of_samples(uint64_t num_samples, int64_t global_batch) {
  const auto width = static_cast<uint64_t>(global_batch);
  return static_cast<int64_t>((num_samples + width - 1) / width);
}

}  // namespace ingot::train
