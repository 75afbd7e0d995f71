#include "launch/local_ranks.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/stop.h"
#include "launch/rank_process.h"

namespace ingot::launch {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kGlanceMs = 50;  // between two looks at the ranks

/// A socket that listens on the loopback interface at a port that is free.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    if (socket_ < 0 || ::bind(socket_, plain, size) != 0 || ::listen(socket_, 128) != 0 || ::getsockname(socket_, plain, &size) != 0)
      throw CommError(fmt::format("127.0.0.1: no port to listen on: {}", std::strerror(errno)));
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int socket() const { return socket_; }
  uint16_t port() const { return port_; }

 private:
  int socket_;
  uint16_t port_ = 0;
};

std::string ending(int code) {
  if (code > 128 && code != kExitTerminated) return fmt::format("was killed by signal {}", code - 128);
  return fmt::format("ended with exit code {}", code);
}

/// The ranks of this machine while they run.
class Job {
 public:
  explicit Job(const LocalRanks& settings) : settings_(settings) {
    make_folder(settings.log_folder);
    std::optional<Listener> listener;
    if (settings.master_port == 0) listener.emplace();
    for (int64_t i = 0; i < settings.count; ++i) {
      const int64_t rank = settings.first_rank + i;
      auto variables = variables_of(rank, i, listener ? listener->port() : settings.master_port);
      const bool serves = rank == 0 && listener;
      if (serves) variables.emplace_back("INGOT_LISTENER", std::to_string(listener->socket()));
      ranks_.push_back(std::make_unique<RankProcess>(rank, settings.command, variables, settings.log_folder / fmt::format("rank_{}.log", rank),
                                                     serves ? listener->socket() : -1));
    }
  }

  int run() {
    while (listen_for_a_moment()) {
      pass_on_stop();
      for (const auto& rank : ranks_) note_end(*rank);
      if (failed_at_ && Clock::now() - *failed_at_ > settings_.grace) kill_the_rest();
    }
    return exit_code();
  }

 private:
  std::vector<std::pair<std::string, std::string>> variables_of(int64_t rank, int64_t local, uint16_t port) const {
    std::vector<std::pair<std::string, std::string>> variables{
        {"RANK", std::to_string(rank)}, {"WORLD_SIZE", std::to_string(settings_.num_ranks)}, {"LOCAL_RANK", std::to_string(local)},
        {"LOCAL_WORLD_SIZE", std::to_string(settings_.count)}, {"MASTER_ADDR", settings_.master_addr}, {"MASTER_PORT", std::to_string(port)}};
    if (std::getenv("OMP_NUM_THREADS") == nullptr) {  // the cores are shared
      const int64_t cores = std::thread::hardware_concurrency();
      variables.emplace_back("OMP_NUM_THREADS", std::to_string(std::max<int64_t>(1, cores / settings_.count)));
    }
    return variables;
  }

  /// Reads what the ranks say; false when all have ended and nothing is left to read.
  bool listen_for_a_moment() {
    std::vector<pollfd> polled;
    std::vector<std::pair<RankProcess*, size_t>> owners;
    bool is_alive = false;
    for (const auto& rank : ranks_) {
      is_alive |= rank->is_running();
      for (size_t output = 0; output < 2; ++output)
        if (rank->outputs()[output] >= 0) {
          polled.push_back({rank->outputs()[output], POLLIN, 0});
          owners.emplace_back(rank.get(), output);
        }
    }
    if (!is_alive && polled.empty()) return false;
    ::poll(polled.data(), polled.size(), kGlanceMs);
    for (size_t i = 0; i < polled.size(); ++i)
      if (polled[i].revents != 0) owners[i].first->read(owners[i].second);
    return true;
  }

  void pass_on_stop() {
    if (passed_on_ || stop_requested() == 0) return;
    passed_on_ = true;
    for (const auto& rank : ranks_) rank->signal(SIGTERM);
  }

  /// Looks whether a rank has ended, and says so of the first that failed.
  void note_end(RankProcess& rank) {
    if (!rank.is_running()) return;
    rank.look();
    const auto code = rank.exit_code();
    const bool is_left_alone = passed_on_ && code == kExitComm;  // the rank that it waited for has stopped
    if (!code || *code == kExitOk || *code == kExitTerminated || is_left_alone || failed_at_) return;
    failed_at_ = Clock::now();
    first_code_ = *code;
    for (size_t output = 0; output < 2; ++output)
      if (rank.outputs()[output] >= 0) rank.read(output);
    log_error(fmt::format("rank {} {}; the other ranks have {} s to end. Its last words, in {}:\n{}", rank.rank(), ending(*code),
                          settings_.grace.count(), rank.log().string(), rank.last_words()));
  }

  void kill_the_rest() {
    for (const auto& rank : ranks_) {
      if (!rank->is_running()) continue;
      log_warning(fmt::format("rank {} has not ended by itself and is killed", rank->rank()));
      rank->signal(SIGKILL);
    }
    failed_at_ = Clock::time_point::max() - settings_.grace;  // said once
  }

  /// Of the first rank that failed; a rank that fails because of another says kExitComm.
  int exit_code() const {
    if (failed_at_) return first_code_ == kExitConfig || first_code_ == kExitData ? first_code_ : kExitComm;
    const bool stopped = std::any_of(ranks_.begin(), ranks_.end(), [](const auto& rank) { return rank->exit_code() == kExitTerminated; });
    return stopped ? kExitTerminated : kExitOk;
  }

  const LocalRanks& settings_;
  std::vector<std::unique_ptr<RankProcess>> ranks_;
  bool passed_on_ = false;
  std::optional<Clock::time_point> failed_at_;
  int first_code_ = kExitOk;  // of the rank that failed then
};

}  // namespace

int run_local_ranks(const LocalRanks& ranks) { return Job(ranks).run(); }

}  // namespace ingot::launch
