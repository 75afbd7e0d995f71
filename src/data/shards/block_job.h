#pragma once

#include <memory>
#include <string>

#include "core/error.h"
#include "core/progress.h"
#include "data/shards/await_work.h"
#include "data/shards/block_run.h"

namespace ingot::data {

/// Limits of the pipeline of one rank.
PipelineLimits block_limits(int num_workers);

/// Says what an earlier start has left and, of a job of several ranks, what this one has made.
void report_found(const BlockBoard& board, const std::string& label);
void report_made(const BlockBoard& board, const std::string& label);

/// The bytes that are still to be made.
uint64_t bytes_to_make(BlockBoard& board);

/// Makes the blocks, with the progress of all ranks where rank 0 shows it. A bad input will be another one: the pieces go, where no
/// other rank works with them.
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

/// For ranks other than 0: helps to make what rank 0 announces of `wanted`, until every block is made. Where that goes in the meantime,
/// it is waited for again, or stands.
template <class Stage>
void help_to_make(Stage& stage, const BlockWork& wanted, JobRank rank, const std::string& label, int num_workers) {
  while (auto work = await_work(wanted, rank)) {
    BlockBoard board(std::move(*work), rank, nullptr);
    try {
      make_blocks(stage, board, label, num_workers);
    } catch (const Error& error) {
      if (error.exit_code() == kExitTerminated || !board.is_gone()) throw;
    }
    if (!board.is_gone()) return;
  }
}

}  // namespace ingot::data
