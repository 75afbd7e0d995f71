#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "launch/rank_process.h"

namespace ingot::launch {

/// Ranks of one job that this machine starts.
struct LocalRanks {
  std::vector<std::string> command;  // a path and arguments, of every rank
  int64_t first_rank = 0, count = 1, num_ranks = 1;
  std::string master_addr = "127.0.0.1";
  uint16_t master_port = 0;  // where the ranks meet; 0: they meet in files alone
  std::vector<std::pair<std::string, std::string>> variables;  // beside torchrun's
  std::filesystem::path log_folder;  // gets rank_N.log; made when it is not there
  std::string log_suffix;            // rank_N.SUFFIX.log, where there is one
  std::chrono::seconds grace{30};    // that the others have, after one has failed, to end by themselves
  std::chrono::seconds silence{30};  // a rank that has given no sign of life for so long is killed
  bool stop_others = false;          // they do not notice: they get SIGTERM when one has failed
};

/// The ranks of this machine while they run: with torchrun's variables and, where OMP_NUM_THREADS is not set, a share of the cores each. What
/// rank 0 says is said here; of the others, warnings and errors, with their rank; all of it is in the logs. SIGINT and SIGTERM are passed on
/// to every rank, a second one ends them at once. When a rank fails or hangs, its last words and its log are named, the others have `grace` to end
/// and are killed then; no rank outlives this process.
class RankGroup {
 public:
  explicit RankGroup(const LocalRanks& settings);
  /// Listens to them for a moment; false when all have ended and nothing is left to read.
  bool watch();
  /// The job has failed elsewhere: they have `grace` to end.
  void end_soon(const std::string& why);
  /// Of the rank that failed first, for others to read; nothing while none has.
  const std::string& failure() const { return failure_; }
  /// Whether that rank failed by itself, and not because another one had.
  bool has_lost_rank() const { return has_lost_rank_; }
  /// kExitOk, kExitTerminated where the ranks were stopped, and of a rank that failed kExitConfig, kExitData or, for all else, kExitComm.
  int exit_code() const;

 private:
  std::vector<std::pair<std::string, std::string>> variables_of(int64_t rank, int64_t local) const;
  bool listen();
  void pass_on_stop();
  bool has_failed(const RankProcess& rank) const;
  void kill_silent_ones();
  void note_failure();
  void kill_the_rest();
  bool any_ended_with(int code) const;

  LocalRanks settings_;
  std::vector<std::unique_ptr<RankProcess>> ranks_;
  bool passed_on_ = false, has_killed_ = false, has_lost_rank_ = false;
  const RankProcess* silent_ = nullptr;  // the first that was killed for it
  std::set<const RankProcess*> asked_;   // for their stacks, before
  std::optional<std::chrono::steady_clock::time_point> failed_at_;
  std::string failure_;
};

/// Starts the ranks, waits for their end and returns their exit code.
int run_local_ranks(const LocalRanks& ranks);

}  // namespace ingot::launch
