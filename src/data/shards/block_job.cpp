#include "data/shards/block_job.h"

#include <fmt/format.h>

#include "core/log.h"

namespace ingot::data {

PipelineLimits block_limits(int num_workers) {
  PipelineLimits limits;
  limits.workers = num_workers;
  limits.max_items = static_cast<size_t>(2 * num_workers + 2);
  return limits;
}

void report_found(const BlockBoard& board, const std::string& label) {
  if (board.num_found() > 0 && board.leads())
    log_info(fmt::format("{}: {} of {} blocks are there from an earlier start", label, board.num_found(), board.blocks().size()));
}

void report_made(const BlockBoard& board, const std::string& label) {
  const JobRank& rank = board.rank();
  if (rank.size > 1)
    log_info(fmt::format("{}: rank {} of {} has made {} of {} blocks", label, rank.rank, rank.size, board.num_claimed(),
                         board.blocks().size()));
}

uint64_t bytes_to_make(BlockBoard& board) {
  uint64_t bytes = 0;
  for (size_t block = 0; block < board.blocks().size(); ++block)
    if (!board.is_made(block)) bytes += board.blocks()[block].bytes();
  return bytes;
}

}  // namespace ingot::data
