#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "launch/meeting.h"
#include "launch/meeting_client.h"

namespace ingot::launch {

/// A rank that goes to meet the others.
struct RankGoing {
  Door door;
  std::string round = "0";
  int64_t rank = 0, size = 1;
  std::string configuration;  // a line "key: value" for each key: must be the same on all
  std::chrono::seconds timeout{600};  // from when it is at the door until all have come, and of a value that another rank sets
  bool serves = false;  // holds the meeting itself, as rank 0 does where no launcher does
};

/// Values under names that the ranks of a job leave for each other, where they have met (rank_desk.h).
class RankMeeting {
 public:
  /// Returns when all have come; says every few seconds who is missing, and who was refused. Throws ConfigError where the configurations differ,
  /// CommError when not all came in time.
  explicit RankMeeting(const RankGoing& going);
  void set(const std::string& key, const std::string& value);
  /// Waits until all are there. Throws CommError naming a key when one is not in time.
  std::vector<std::string> get(const std::vector<std::string>& keys, std::chrono::milliseconds timeout);
  int64_t add(const std::string& key, int64_t number);
  bool has(const std::vector<std::string>& keys);

 private:
  void wait_for_all(const RankGoing& going);
  Message ask(Message question, std::chrono::milliseconds timeout);
  std::unique_ptr<Meeting> meeting_;
  std::unique_ptr<MeetingClient> client_;
  std::mutex asking_;
};

}  // namespace ingot::launch
