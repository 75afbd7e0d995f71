#include "launch/rank_meeting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "launch/rank_desk.h"

namespace ingot::launch {
namespace {

constexpr std::chrono::seconds kOwnAnswer{60};  // of the meeting itself, which is not to wait for anybody

}  // namespace

RankMeeting::RankMeeting(const RankGoing& going) {
  Door door = going.door;
  if (going.serves) {
    meeting_ = std::make_unique<Meeting>(listen_at(door.host, door.port), door.token, std::make_unique<RankDesk>(going.round, going.size));
    door.port = meeting_->port();
  }
  client_ = std::make_unique<MeetingClient>(door);
  client_->send({"join", going.round, std::to_string(going.rank), std::to_string(going.size), going.configuration});
  wait_for_all(going);
}

void RankMeeting::wait_for_all(const RankGoing& going) {
  const auto end = MeetingClock::now() + going.timeout;
  for (std::string missing;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - MeetingClock::now());
    const auto answer = left.count() > 0 ? client_->receive(left) : std::nullopt;
    if (!answer) throw CommError(fmt::format("waited {} s for {}", going.timeout.count(), missing.empty() ? "the others" : missing));
    if (answer->front() == "all") return;
    if (answer->front() == "failed" && answer->size() == 3) {
      if ((*answer)[1] == std::to_string(kExitConfig)) throw ConfigError((*answer)[2]);
      throw CommError((*answer)[2]);
    }
    if (answer->front() != "missing" || answer->size() != 2) throw CommError(fmt::format("found the answer {}, wanted all", answer->front()));
    if (std::exchange(missing, (*answer)[1]) != (*answer)[1]) log_info(fmt::format("waiting for {}", missing));
  }
}

Message RankMeeting::ask(Message question, std::chrono::milliseconds timeout) {
  const std::lock_guard lock(asking_);
  if (!client_) throw CommError(fmt::format("{}: an earlier question had no answer", question.front()));
  client_->send(question);
  const auto answer = client_->receive(timeout);
  if (!answer) {
    client_.reset();  // a late answer would be taken for that of the next question
    throw CommError(fmt::format("{}: no answer in {} s", fmt::join(question, " "), timeout.count() / 1000));
  }
  if (answer->empty() || answer->front() != "value") throw CommError(fmt::format("{}: found the answer {}", question.front(), fmt::join(*answer, " ")));
  return {answer->begin() + 1, answer->end()};
}

void RankMeeting::set(const std::string& key, const std::string& value) { ask({"set", key, value}, kOwnAnswer); }

std::vector<std::string> RankMeeting::get(const std::vector<std::string>& keys, std::chrono::milliseconds timeout) {
  Message question{"get"};
  question.insert(question.end(), keys.begin(), keys.end());
  return ask(std::move(question), timeout);
}

int64_t RankMeeting::add(const std::string& key, int64_t number) { return number_in(ask({"add", key, std::to_string(number)}, kOwnAnswer).at(0)); }

bool RankMeeting::has(const std::vector<std::string>& keys) {
  Message question{"check"};
  question.insert(question.end(), keys.begin(), keys.end());
  return ask(std::move(question), kOwnAnswer).at(0) == "1";
}

}  // namespace ingot::launch
