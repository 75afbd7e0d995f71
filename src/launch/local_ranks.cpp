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
      for (const auto& rank : ranks_) rank->look();
      note_failure();
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

  /// A rank that another one's end has ended says kExitComm. After a stop that is no failure: the other one has stopped.
  bool has_failed(const RankProcess& rank) const {
    const auto code = rank.exit_code();
    return code && *code != kExitOk && *code != kExitTerminated && !(passed_on_ && code == kExitComm);
  }

  /// Says of the rank that failed first that it did; of several at once, of one that did so by itself.
  void note_failure() {
    if (failed_at_) return;
    RankProcess* failed = nullptr;
    for (const auto& rank : ranks_)
      if (has_failed(*rank) && (failed == nullptr || failed->exit_code() == kExitComm)) failed = rank.get();
    if (failed == nullptr) return;
    failed_at_ = Clock::now();
    for (size_t output = 0; output < 2; ++output)
      if (failed->outputs()[output] >= 0) failed->read(output);
    log_error(fmt::format("rank {} {}; the other ranks have {} s to end. Its last words, in {}:\n{}", failed->rank(), ending(*failed->exit_code()),
                          settings_.grace.count(), failed->log().string(), failed->last_words()));
    if (settings_.stop_others)
      for (const auto& rank : ranks_) rank->signal(SIGTERM);
  }

  void kill_the_rest() {
    for (const auto& rank : ranks_) {
      if (!rank->is_running()) continue;
      log_warning(fmt::format("rank {} has not ended by itself and is killed", rank->rank()));
      rank->signal(SIGKILL);
    }
    failed_at_ = Clock::time_point::max() - settings_.grace;  // said once
  }

  bool any_ended_with(int code) const {
    return std::any_of(ranks_.begin(), ranks_.end(), [code](const auto& rank) { return rank->exit_code() == code; });
  }

  /// What a file or key is to blame for goes before what one rank's end did to the others. After a stop rank 0 tells whether the state is saved.
  int exit_code() const {
    for (const int code : {kExitConfig, kExitData})
      if (any_ended_with(code)) return code;
    const bool is_unsaved = ranks_.front()->rank() == 0 && ranks_.front()->exit_code() == kExitComm;
    if (failed_at_ || is_unsaved) return kExitComm;
    if (any_ended_with(kExitTerminated)) return kExitTerminated;
    return any_ended_with(kExitComm) ? kExitComm : kExitOk;
  }

  const LocalRanks& settings_;
  std::vector<std::unique_ptr<RankProcess>> ranks_;
  bool passed_on_ = false;
  std::optional<Clock::time_point> failed_at_;
};

}  // namespace

int run_local_ranks(const LocalRanks& ranks) { return Job(ranks).run(); }

}  // namespace ingot::launch
