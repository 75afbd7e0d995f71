#include "workflows/rank_sharing.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::workflows {

parallel::Layout layout_of(const config::TrainConfig& config, int64_t ranks) {
  parallel::Layout layout{.tp = config.tensor_model_parallel_size, .pp = config.pipeline_model_parallel_size, .ep = config.expert_model_parallel_size,
                          .virtual_stages = config.virtual_pipeline_model_parallel_size};
  layout.dp = std::max<int64_t>(1, ranks / (layout.tp * layout.pp));
  return layout;
}

void check_sharing(const config::TrainConfig& config, int64_t ranks, Problems& problems) {
  const auto layout = layout_of(config, ranks);
  const int64_t data = layout.dp, of_rows = layout.tp * layout.pp;
  if (layout.pp == 1) problems.expect(ranks % of_rows == 0, "tensor_model_parallel_size", layout.tp, fmt::format("a divisor of the {} ranks", ranks));
  else problems.expect(ranks % of_rows == 0, "pipeline_model_parallel_size", layout.pp,
                       fmt::format("with tensor_model_parallel_size {} a divisor of the {} ranks", layout.tp, ranks));
  layout.check(problems);
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
