#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/lease.h"
#include "core/take_lease.h"
#include "data/shards/blocks.h"
#include "data/shards/job_rank.h"
#include "data/shards/piece_file.h"

namespace ingot::data {

/// An output, what decides its bytes, and how that is cut.
struct BlockWork {
  std::filesystem::path prefix;
  Json work;
  std::vector<Block> blocks;
  std::string lease = {};  // id of rank 0's, as other ranks have seen it
  /// Where the pieces lie: .NAME.pieces beside the output.
  std::filesystem::path folder() const;
  /// What rank 0 says in folder()/work.json: version, work and the cuts.
  Json announcement() const;
};

/// The lease of who writes the output.
std::filesystem::path output_lease(const std::filesystem::path& prefix);

/// The blocks of an output, over all ranks, as the folder of pieces shows them: a block is worked on by the rank that holds its
/// lease (a job of one rank needs none), and made when its piece is there. Pieces of an earlier start with equal work are found.
/// Work of one block leaves no piece. For two threads: one that claims, and one that does all else.
class BlockBoard {
 public:
  /// Rank 0, which holds `output`, removes pieces of other work and announces its own; of other ranks `output` is null, and the work is
  /// what rank 0 announced.
  BlockBoard(BlockWork work, JobRank rank, const Lease* output);
  /// Rank 0 removes a folder without a piece.
  ~BlockBoard();
  BlockBoard(const BlockBoard&) = delete;
  BlockBoard& operator=(const BlockBoard&) = delete;

  bool leads() const { return rank_.rank == 0; }
  const JobRank& rank() const { return rank_; }
  bool keeps_pieces() const { return work_.blocks.size() > 1; }
  const std::vector<Block>& blocks() const { return work_.blocks; }
  size_t num_found() const { return num_found_; }    // made by an earlier start
  size_t num_claimed() const { return num_claimed_; }  // by this rank
  /// Whether rank 0 has removed the pieces, has ended or begun anew.
  bool is_gone();

  /// Throws Error(kExitTerminated) when asked to stop, and says what is kept.
  void check_stop() const;
  /// A block for this rank to make; nothing when all are made. Waits while others make the last ones, and takes over those of a
  /// dead rank. The rank holds two blocks at most, or as many as make `read_ahead` bytes.
  std::optional<size_t> claim(uint64_t read_ahead);
  /// Lets claim() return nothing: this rank makes no more.
  void give_up();
  std::unique_ptr<PieceWriter> new_piece(size_t block) const;
  /// The block is made, and whoever wants to may know.
  void keep(size_t block);
  bool is_made(size_t block);
  /// Its piece; nothing, and a warning, when that is damaged: it is removed and the block is to be made again.
  std::unique_ptr<PieceReader> open(size_t block);
  /// Removes all pieces: the output stands.
  void remove();
  /// Removes what is left of the pieces of an output.
  static void remove_all_of(const std::filesystem::path& prefix);

  std::function<void(uint64_t bytes)> on_made;  // told of each block that another rank has made

 private:
  using Clock = std::chrono::steady_clock;
  std::filesystem::path piece(size_t block) const;
  std::string heading(size_t block) const;
  void look();
  void list();
  bool is_there() const;
  void note_made(size_t block);  // by another rank
  bool is_complete();
  bool may_hold_more(uint64_t read_ahead);
  std::optional<size_t> try_claim();
  bool take(size_t block);
  std::unique_ptr<OwnLease> attempt(LeaseTrial& trial);

  BlockWork work_;
  JobRank rank_;
  std::string digest_;  // of the announcement
  std::mutex mutex_;    // of what follows
  std::condition_variable kept_;
  std::vector<bool> made_, told_;  // told_: found, made here or told of
  std::map<size_t, std::unique_ptr<const Lease>> held_;
  bool is_gone_ = false;
  bool has_given_up_ = false;
  Clock::time_point next_look_;
  std::map<size_t, LeaseTrial> trials_;  // of the thread that claims
  size_t num_found_ = 0, num_claimed_ = 0;
};

}  // namespace ingot::data
