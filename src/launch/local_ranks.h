#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ingot::launch {

/// Ranks of one job that this machine starts.
struct LocalRanks {
  std::vector<std::string> command;  // a path and arguments, of every rank
  int64_t first_rank = 0, count = 1, num_ranks = 1;
  std::string master_addr = "127.0.0.1";
  uint16_t master_port = 0;  // of rank 0; 0, where all ranks are here: one that is free
  std::filesystem::path log_folder;  // gets rank_N.log; made when it is not there
  std::chrono::seconds grace{30};    // that the others have, after one has failed, to end by themselves
  bool stop_others = false;          // they do not notice: they get SIGTERM when one has failed
};

/// Starts the ranks, with torchrun's variables and, where OMP_NUM_THREADS is not set, a share of the cores each, and waits for their end. What rank 0 says is said here; of the others, warnings and
/// errors, with their rank; all of it is in the logs. SIGINT and SIGTERM are passed on to every rank, a second one ends them at once. When a rank
/// fails, its last words and its log are named, the others have `grace` to end and are killed then; no rank outlives this process.
/// Returns kExitOk, kExitTerminated where the ranks were stopped, and of a rank that failed kExitConfig, kExitData or, for all else, kExitComm.
int run_local_ranks(const LocalRanks& ranks);

}  // namespace ingot::launch
