#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "launch/rank_desk.h"

namespace ingot::launch {

/// How the hosts of a job are counted, and what becomes of it when some are lost.
struct HostRules {
  int64_t min_hosts = 1, max_hosts = 1;  // it starts on fewer than `max_hosts` when no more come within `late`; those beyond wait as spares
  int64_t max_restarts = 0;              // after a rank or a host has failed, from the newest checkpoint
  std::chrono::seconds patience{600};    // for hosts that are missing
  std::chrono::seconds late{15};
  std::chrono::seconds silence{30};      // a host that has said nothing for so long is lost
  std::function<int64_t(int64_t)> possible_ranks;  // the largest number up to the given one that the job can be shared by; 0: none
};

/// The hosts of a job meet here, and their ranks (RankDesk). It deals the ranks to the hosts, in the order of their places, starts a round, ends it
/// on all hosts when it has failed on one, and starts the next.
///
///   host PLACE COUNT NAME      a launcher that can run so many ranks; place -1: any but the first
///   ended ROUND EXIT_CODE COUNT WHY    how its ranks ended; so many it can run from now on
///   alive                      at least every few seconds; answered by the same
///
/// Says to them: start ROUND FIRST_RANK COUNT NUM_RANKS, stop WHY, waiting WHO, refused WHY, end EXIT_CODE WHY.
class HostDesk : public Desk {
 public:
  explicit HostDesk(HostRules rules);
  void handle(Guests& guests, int guest, const Message& message) override;
  void gone(Guests& guests, int guest) override;
  void look(Guests& guests, MeetingClock::time_point now) override;

 private:
  struct Host {
    int64_t place, count;
    std::string name;
    MeetingClock::time_point heard;
    bool runs = false;  // ranks of this round
  };
  void arrive(Guests& guests, int guest, const Message& message);
  void note_end(Guests& guests, int guest, const Message& message);
  void lose(Guests& guests, int guest, const std::string& why);
  void fail(Guests& guests, int exit_code, const std::string& why);
  void settle(Guests& guests);
  void start(Guests& guests);
  void end(Guests& guests, int exit_code, const std::string& why);
  void notice(Guests& guests, MeetingClock::time_point now);
  std::string missing_hosts() const;
  bool is_full() const { return static_cast<int64_t>(hosts_.size()) >= rules_.max_hosts; }

  HostRules rules_;
  RankDesk ranks_{"", 0};
  std::map<int, Host> hosts_;  // by guest
  bool is_running_ = false, has_ended_ = false;
  int64_t num_starts_ = 0;
  int exit_code_ = 0;      // of the round
  std::string failure_;    // of the round; nothing: it has not failed
  MeetingClock::time_point waiting_since_, said_;
  std::optional<MeetingClock::time_point> enough_since_;
};

}  // namespace ingot::launch
