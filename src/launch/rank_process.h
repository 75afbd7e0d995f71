#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ingot::launch {

/// A rank that was started here, what it says, and how it ended.
class RankProcess {
 public:
  /// `variables` are added to the environment, and the descriptor for signs of life. Throws CommError when no process can be made.
  RankProcess(int64_t rank, const std::vector<std::string>& command, std::vector<std::pair<std::string, std::string>> variables,
              const std::filesystem::path& log);
  ~RankProcess();  // kills it where it still runs
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;

  int64_t rank() const { return rank_; }
  /// Descriptors to poll: its standard output and error, -1 when closed.
  const std::array<int, 2>& outputs() const { return outputs_; }
  /// Reads what is there of output 0 or 1 without waiting.
  void read(size_t output);
  void signal(int number) const;
  /// For how long it has given no sign of life (sign_of_life.h), as far as has been read; it has two minutes more for its first.
  std::chrono::steady_clock::duration silence() const;
  /// Looks whether it has ended, and for signs of life.
  void look();
  bool is_running() const { return pid_ > 0 && !status_; }
  /// How it ended: an exit code, or 128 + the signal that killed it.
  std::optional<int> exit_code() const;
  /// Its last lines of standard error.
  std::string last_words() const;
  const std::filesystem::path& log() const { return log_path_; }

 private:
  void say(size_t output, const std::string& line);
  int64_t rank_;
  pid_t pid_ = -1;
  std::optional<int> status_;  // of waitpid
  std::array<int, 2> outputs_{-1, -1};
  int life_ = -1;
  std::chrono::steady_clock::time_point last_sign_;
  std::array<std::string, 2> partial_;  // lines that have no end yet
  std::deque<std::string> last_lines_;
  std::filesystem::path log_path_;
  std::ofstream log_;
  bool log_has_failed_ = false;
};

}  // namespace ingot::launch
