#include "launch/host_agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/process_identity.h"
#include "core/stop.h"
#include "launch/rank_variables.h"

namespace ingot::launch {
namespace {

using AgentClock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBetweenSigns{1000}, kMoment{50};

/// Tells the meeting every second that this host is there, however long the ranks' output keeps the rest of the program.
class HostSigns {
 public:
  explicit HostSigns(MeetingClient& client) : thread_([this, &client] {
    for (int64_t i = 0; !is_over_; ++i) {
      if (i % (kBetweenSigns / kMoment) == 0) client.send({"alive"});
      std::this_thread::sleep_for(kMoment);
    }
  }) {}
  ~HostSigns() {
    is_over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

class Agent {
 public:
  explicit Agent(const HostGoing& going) : going_(going), client_(going.door), signs_(client_) {
    client_.send({"host", std::to_string(going.place), std::to_string(going.count), this_process().host});
  }

  int attend() {
    while (!exit_code_) {
      if (!group_ && !has_reported_) end_if_stopped("waiting for the other hosts, nothing is lost");
      hear(group_ ? std::chrono::milliseconds(0) : kMoment);
      if (group_ && !group_->watch()) report();
    }
    return *exit_code_;
  }

 private:
  void hear(std::chrono::milliseconds timeout) {
    while (!exit_code_) {  // behind the last word the connection is closed
      const auto message = client_.receive(timeout);
      if (!message) break;
      heard_ = AgentClock::now();
      timeout = std::chrono::milliseconds(0);
      obey(*message);
    }
    if (AgentClock::now() - heard_ > going_.ranks.silence)
      throw CommError(fmt::format("{}:{}: the host of node 0 has said nothing for {} s", going_.door.host, going_.door.port, going_.ranks.silence.count()));
  }

  void obey(const Message& message) {
    const std::string verb = message.empty() ? "" : message[0];
    if (verb != "alive") has_reported_ = false;
    if (verb == "start" && message.size() == 5) start(message);
    if (verb == "stop" && message.size() == 2 && group_) group_->end_soon(message[1]);
    if (verb == "waiting" && message.size() == 2 && std::exchange(waited_for_, message[1]) != message[1]) log_info(fmt::format("waiting for {}", message[1]));
    if (verb == "refused" && message.size() == 2) throw CommError(fmt::format("{}:{}: refused: {}", going_.door.host, going_.door.port, message[1]));
    if (verb == "end" && message.size() == 3) end(static_cast<int>(number_in(message[1])), message[2]);
  }

  void start(const Message& message) {
    LocalRanks ranks = going_.ranks;
    round_ = message[1];
    ranks.first_rank = number_in(message[2]), ranks.count = number_in(message[3]), ranks.num_ranks = number_in(message[4]);
    ranks.master_addr = going_.door.host, ranks.master_port = going_.door.port;
    ranks.variables.emplace_back(kTokenVariable, going_.door.token);
    ranks.variables.emplace_back(kRoundVariable, round_);
    if (round_ != "1") ranks.log_suffix = fmt::format("start_{}", round_);
    log_info(fmt::format("starting ranks {} to {} of {}", ranks.first_rank, ranks.first_rank + ranks.count - 1, ranks.num_ranks));
    waited_for_.clear(), has_failed_ = false;
    group_.emplace(ranks);
  }

  /// Tells how the ranks ended. The place of one that was killed is not used again, where fewer are allowed.
  void report() {
    const int code = group_->exit_code();
    const auto why = group_->failure();
    if (code == kExitComm && group_->has_lost_rank()) going_.count = std::max(going_.min_count, going_.count - 1);
    has_failed_ = !why.empty();
    client_.send({"ended", round_, std::to_string(code), std::to_string(going_.count), why.empty() ? "its ranks have ended" : why});
    group_.reset();
    has_reported_ = true;
  }

  /// Of a failure of its own this host has spoken already.
  void end(int exit_code, const std::string& why) {
    if (exit_code == kExitComm && !has_failed_) log_error(why);
    exit_code_ = exit_code;
  }

  HostGoing going_;
  MeetingClient client_;
  HostSigns signs_;
  AgentClock::time_point heard_ = AgentClock::now();
  std::optional<RankGroup> group_;
  std::string round_, waited_for_;
  bool has_failed_ = false;    // the last round, here
  bool has_reported_ = false;  // and what comes of it is not known yet
  std::optional<int> exit_code_;
};

}  // namespace

int attend(const HostGoing& going) { return Agent(going).attend(); }

}  // namespace ingot::launch
