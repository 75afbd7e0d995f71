#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "data/shards/block_board.h"
#include "data/shards/ordered_pipeline.h"

namespace ingot::data {

/// Makes the blocks of an output on one rank. A `Stage` knows what they are made of:
///   In read(const BlockPart*)  the next records; where a part is given, its first. In has `ends_part`, size_t memory() and, given by
///                              the run, nothing else
///   Out work(In)               what they become; from many threads at once
///   begin(const Block&), write(const Out&)   into the output, block by block in order; of rank 0 alone
///   pack(const Out&, PieceWriter&), Out unpack(PieceReader&)
/// The block whose turn it is goes straight into the output, and is kept as a piece for another start; one that was made before its turn,
/// by another rank or start, is read from its piece.
template <class Stage>
class BlockRun {
 public:
  BlockRun(Stage& stage, BlockBoard& board, const PipelineLimits& limits) : stage_(stage), board_(board), limits_(limits) {}
  std::function<void(uint64_t bytes)> on_bytes;  // told of those that this rank is done with

  void run() {
    do run_pipeline();  // until all blocks are made; a piece that is found damaged is made again
    while (board_.leads() && !join_ready());
  }

 private:
  using In = typename Stage::In;
  using Out = typename Stage::Out;
  struct Read {
    size_t block = 0;
    bool ends_block = false;
    In in;
  };
  struct Made {
    size_t block = 0;
    bool ends_block = false;
    Out out;
  };

  void run_pipeline() {
    OrderedPipeline<Read, Made> pipeline;
    pipeline.read = [this] { return read(); };
    pipeline.size_of = [](const Read& read) { return read.in.memory(); };
    pipeline.work = [this](Read read) { return Made{read.block, read.ends_block, stage_.work(std::move(read.in))}; };
    pipeline.write = [this](const Made& made) { write(made); };
    pipeline.on_failure = [this] { board_.give_up(); };
    pipeline.run(limits_);
  }

  std::optional<Read> read() {
    board_.check_stop();
    const BlockPart* opened = nullptr;
    if (!reading_) {
      reading_ = board_.claim(limits_.workers * kBytesAWorker);
      if (!reading_) return {};
      part_ = 0;
      is_open_ = false;
    }
    const auto& parts = board_.blocks()[*reading_].parts;
    if (!is_open_) opened = &parts[part_];
    Read read{*reading_, false, stage_.read(opened)};
    is_open_ = !read.in.ends_part;
    if (!is_open_ && ++part_ == parts.size()) {
      read.ends_block = true;
      reading_.reset();
    }
    return read;
  }

  void write(const Made& made) {
    if (!writing_) begin(made.block);
    if (piece_) stage_.pack(made.out, *piece_);
    if (is_direct_) stage_.write(made.out);
    if (on_bytes) on_bytes(made.out.bytes_read);
    if (!made.ends_block) return;
    if (piece_) piece_->commit();
    piece_.reset();
    board_.keep(made.block);
    if (is_direct_) ++num_joined_;
    writing_ = false;
  }

  void begin(size_t block) {
    writing_ = true;
    if (board_.leads()) join_ready();
    is_direct_ = board_.leads() && num_joined_ == block;
    piece_ = board_.new_piece(block);
    if (is_direct_) stage_.begin(board_.blocks()[block]);
  }

  /// Writes what is made as far as nothing is missing before it; whether that is all.
  bool join_ready() {
    for (; num_joined_ < board_.blocks().size() && board_.is_made(num_joined_); ++num_joined_) {
      const auto piece = board_.open(num_joined_);
      if (!piece) break;
      stage_.begin(board_.blocks()[num_joined_]);
      while (!piece->at_end()) stage_.write(stage_.unpack(*piece));
    }
    return num_joined_ == board_.blocks().size();
  }

  static constexpr uint64_t kBytesAWorker = uint64_t{2} << 20;
  Stage& stage_;
  BlockBoard& board_;
  PipelineLimits limits_;
  std::optional<size_t> reading_;  // of the thread that reads
  size_t part_ = 0;
  bool is_open_ = false;
  bool writing_ = false, is_direct_ = false;  // of the thread that writes
  std::unique_ptr<PieceWriter> piece_;
  size_t num_joined_ = 0;
};

}  // namespace ingot::data
