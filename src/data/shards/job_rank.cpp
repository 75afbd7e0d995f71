#include "data/shards/job_rank.h"

#include <algorithm>
#include <thread>

namespace ingot::data {

int JobRank::num_workers(int wanted) const {
  const int64_t cores = std::thread::hardware_concurrency();
  return wanted > 0 ? wanted : static_cast<int>(std::max<int64_t>(1, cores / here));
}

}  // namespace ingot::data
