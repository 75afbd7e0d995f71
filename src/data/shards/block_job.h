#pragma once

#include <memory>
#include <string>

#include "core/error.h"
#include "core/progress.h"
#include "data/shards/block_run.h"

namespace ingot::data {

/// Limits of the pipeline of one rank.
PipelineLimits block_limits(int num_workers);

/// Says what an earlier start has left and, of a job of several ranks, what this one has made.
void report_found(const BlockBoard& board, const std::string& label);
void report_made(const BlockBoard& board, const std::string& label);

/// The bytes that are still to be made.
uint64_t bytes_to_make(BlockBoard& board);

/// Makes the blocks, with the progress of all ranks where rank 0 shows it. A bad input will be another one: the pieces go, where no other
/// rank works with them.
template <class Stage>
void make_blocks(Stage& stage, BlockBoard& board, const std::string& label, int num_workers) try {
  report_found(board, label);
  {
    Progress progress(label, bytes_to_make(board), "B");
    BlockRun<Stage> run(stage, board, block_limits(num_workers));
    board.on_made = run.on_bytes = [&](uint64_t bytes) { progress.add(bytes); };
    run.run();
    board.on_made = nullptr;
  }
  report_made(board, label);
} catch (const DataError&) {
  if (board.rank().size == 1) board.remove();
  throw;
}

}  // namespace ingot::data
