#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "launch/meeting.h"

namespace ingot::launch {

/// The keys of two configurations (a line "key: value" each) whose values differ: "learning_rate: found 0.1, rank 0 has 0.2"; nothing when none does.
std::vector<std::string> differing_keys(const std::string& found, const std::string& wanted);

/// The ranks of a round meet here: it is known who has not come yet, all must have one configuration, and each leaves here under which address
/// it is found. A round is one start of the job.
///
///   join ROUND RANK SIZE CONFIGURATION   answered by: all | failed EXIT_CODE WHY, and every few seconds: missing WHO
///   set KEY VALUE   get KEY...   add KEY NUMBER   check KEY...   answered by: value...; get when all keys are there
class RankDesk : public Desk {
 public:
  /// Of one round of so many ranks; size 0: none is expected.
  RankDesk(std::string round, int64_t size) { open(std::move(round), size); }
  /// Begins the next round: what was left in the last one is forgotten.
  void open(std::string round, int64_t size);
  void handle(Guests& guests, int guest, const Message& message) override;
  void gone(Guests& guests, int guest) override;
  void look(Guests& guests, MeetingClock::time_point now) override;

 private:
  struct Rank {
    int guest;
    std::string configuration;
  };
  struct Waiting {
    int guest;
    std::vector<std::string> keys;
  };
  void join(Guests& guests, int guest, const Message& message);
  bool agrees(Guests& guests, int64_t rank);
  void fail(Guests& guests, const std::string& why);
  void answer_waiting(Guests& guests);
  bool answer(Guests& guests, const Waiting& waiting) const;
  bool has_all() const { return static_cast<int64_t>(ranks_.size()) == size_; }
  std::string missing_ranks() const;

  std::string round_;
  int64_t size_ = 0;
  std::map<int64_t, Rank> ranks_;  // who have come
  std::map<std::string, std::string> values_;
  std::vector<Waiting> waiting_;
  std::string failure_;  // of the round, once and for all
  MeetingClock::time_point said_;  // who is missing
};

}  // namespace ingot::launch
