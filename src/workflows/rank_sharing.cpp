#include "workflows/rank_sharing.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::workflows {

void check_sharing(const config::TrainConfig& config, int64_t ranks, Problems& problems) {
  const int64_t tensor = config.tensor_model_parallel_size, data = std::max<int64_t>(1, ranks / tensor);
  problems.expect(ranks % tensor == 0, "tensor_model_parallel_size", tensor, fmt::format("a divisor of the {} ranks", ranks));
  problems.expect(config.global_batch_size % (config.micro_batch_size * data) == 0, "global_batch_size", config.global_batch_size,
                  fmt::format("a multiple of micro_batch_size {} x {} ranks that share the batch", config.micro_batch_size, data));
  if (config.reproducible)
    problems.expect(config.logical_shards % data == 0, "logical_shards", config.logical_shards, fmt::format("a multiple of the {} ranks that share the batch", data));
}

int64_t most_ranks(const config::TrainConfig& config, int64_t most) {
  for (int64_t ranks = most; ranks > 0; --ranks) {
    Problems problems;
    check_sharing(config, ranks, problems);
    if (problems.list().empty()) return ranks;
  }
  return 0;
}

}  // namespace ingot::workflows
