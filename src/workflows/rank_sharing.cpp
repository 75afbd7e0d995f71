#include "workflows/rank_sharing.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::workflows {

parallel::Layout layout_of(const config::TrainConfig& config, int64_t ranks) {
  parallel::Layout layout{.cp = config.context_parallel_size, .tp = config.tensor_model_parallel_size, .pp = config.pipeline_model_parallel_size, .ep = config.expert_model_parallel_size,
                          .virtual_stages = config.virtual_pipeline_model_parallel_size};
  layout.dp = std::max<int64_t>(1, ranks / (layout.cp * layout.tp * layout.pp));
  return layout;
}

void check_sharing(const config::TrainConfig& config, int64_t ranks, Problems& problems) {
  const auto layout = layout_of(config, ranks);
  const int64_t data = layout.dp, of_rows = layout.cp * layout.tp * layout.pp;
  if (of_rows == layout.tp) problems.expect(ranks % of_rows == 0, "tensor_model_parallel_size", layout.tp, fmt::format("a divisor of the {} ranks", ranks));
  else problems.expect(ranks % of_rows == 0, layout.pp > 1 ? "pipeline_model_parallel_size" : "context_parallel_size", layout.pp > 1 ? layout.pp : layout.cp,
                       fmt::format("sizes (tensor {} x context {} x pipeline {}) whose product divides the {} ranks", layout.tp, layout.cp, layout.pp, ranks));
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

int64_t Sharing::logical_rank(int64_t world_rank) const {
  const auto process = place_of(processes, world_rank / threads());
  const int64_t of_tensor = logical.tp / processes.tp, of_context = logical.cp / processes.cp, thread = world_rank % threads();
  auto place = process;
  place.tp = process.tp * of_tensor + thread % of_tensor, place.cp = process.cp * of_context + thread / of_tensor;
  return rank_of(logical, place);
}

}  // namespace ingot::workflows
