#include "launch/rank_desk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <sstream>

#include "core/error.h"

namespace ingot::launch {
namespace {

constexpr std::chrono::seconds kBetweenNotices{5};
constexpr size_t kMostNamed = 8;

std::map<std::string, std::string> values_by_key(const std::string& configuration) {
  std::map<std::string, std::string> values;
  std::istringstream lines(configuration);
  for (std::string line; std::getline(lines, line);)
    if (const size_t colon = line.find(": "); colon != std::string::npos) values[line.substr(0, colon)] = line.substr(colon + 2);
  return values;
}

}  // namespace

std::vector<std::string> differing_keys(const std::string& found, const std::string& wanted) {
  const auto here = values_by_key(found);
  auto there = values_by_key(wanted);
  std::vector<std::string> differences;
  for (const auto& [key, value] : here) {
    const auto other = there.find(key);
    if (other == there.end()) differences.push_back(fmt::format("{}: found {}, rank 0 has none", key, value));
    else if (other->second != value) differences.push_back(fmt::format("{}: found {}, rank 0 has {}", key, value, other->second));
    if (other != there.end()) there.erase(other);
  }
  for (const auto& [key, value] : there) differences.push_back(fmt::format("{}: found none, rank 0 has {}", key, value));
  return differences;
}

void RankDesk::open(std::string round, int64_t size) {
  round_ = std::move(round), size_ = size;
  ranks_.clear(), values_.clear(), waiting_.clear(), failure_.clear();
  said_ = MeetingClock::now();
}

void RankDesk::handle(Guests& guests, int guest, const Message& message) {
  const std::string verb = message.empty() ? "" : message[0];
  if (verb == "join" && message.size() == 5) return join(guests, guest, message);
  if (verb == "set" && message.size() == 3) {
    values_[message[1]] = message[2];
    guests.send(guest, {"value"});
    answer_waiting(guests);
  } else if (verb == "add" && message.size() == 3) {
    std::string& value = values_[message[1]];
    value = std::to_string((value.empty() ? 0 : number_in(value)) + number_in(message[2]));
    guests.send(guest, {"value", value});
    answer_waiting(guests);
  } else if (verb == "get") {
    const Waiting wanted{guest, {message.begin() + 1, message.end()}};
    if (!answer(guests, wanted)) waiting_.push_back(wanted);
  } else if (verb == "check") {
    bool has_all_keys = true;
    for (size_t i = 1; i < message.size(); ++i) has_all_keys &= values_.contains(message[i]);
    guests.send(guest, {"value", has_all_keys ? "1" : "0"});
  } else {
    throw CommError(fmt::format("a message: found {} with {} texts, wanted join, set, get, add or check", verb, message.size()));
  }
}

void RankDesk::join(Guests& guests, int guest, const Message& message) {
  const int64_t rank = number_in(message[2]), size = number_in(message[3]);
  const auto refuse = [&](const std::string& why) { guests.send(guest, {"failed", std::to_string(kExitComm), why}); };
  if (message[1] != round_) return refuse(fmt::format("rank {} is of start {} of the job, which is at start {}", rank, message[1], round_));
  if (size != size_ || rank < 0 || rank >= size_) return refuse(fmt::format("found rank {} of {}, wanted one of {}", rank, size, size_));
  if (!failure_.empty()) return guests.send(guest, {"failed", std::to_string(kExitConfig), failure_});
  if (ranks_.contains(rank)) return refuse(fmt::format("rank {} has come already, from {}", rank, guests.address_of(ranks_.at(rank).guest)));
  ranks_[rank] = {guest, message[4]};
  if (rank != 0 && !agrees(guests, rank)) return;
  if (rank == 0)
    for (const auto& [other, is_there] : ranks_)
      if (!agrees(guests, other)) return;
  if (has_all())
    for (const auto& [number, one] : ranks_) guests.send(one.guest, {"all"});
}

/// Whether the rank has rank 0's configuration, or rank 0 has not come yet; else the round has failed.
bool RankDesk::agrees(Guests& guests, int64_t rank) {
  const auto first = ranks_.find(0);
  if (first == ranks_.end()) return true;
  const auto differences = differing_keys(ranks_.at(rank).configuration, first->second.configuration);
  if (differences.empty()) return true;
  fail(guests, fmt::format("rank {} ({}) has another configuration than rank 0: {}", rank, guests.address_of(ranks_.at(rank).guest), fmt::join(differences, "; ")));
  return false;
}

void RankDesk::fail(Guests& guests, const std::string& why) {
  failure_ = why;
  for (const auto& [rank, one] : ranks_) guests.send(one.guest, {"failed", std::to_string(kExitConfig), why});
}

/// False while a key is missing.
bool RankDesk::answer(Guests& guests, const Waiting& waiting) const {
  Message values{"value"};
  for (const auto& key : waiting.keys) {
    const auto found = values_.find(key);
    if (found == values_.end()) return false;
    values.push_back(found->second);
  }
  guests.send(waiting.guest, values);
  return true;
}

void RankDesk::answer_waiting(Guests& guests) {
  std::erase_if(waiting_, [&](const Waiting& waiting) { return answer(guests, waiting); });
}

void RankDesk::gone(Guests&, int guest) {
  std::erase_if(waiting_, [guest](const Waiting& waiting) { return waiting.guest == guest; });
  if (!has_all()) std::erase_if(ranks_, [guest](const auto& rank) { return rank.second.guest == guest; });
}

std::string RankDesk::missing_ranks() const {
  std::vector<int64_t> missing;
  for (int64_t rank = 0; rank < size_; ++rank)
    if (!ranks_.contains(rank)) missing.push_back(rank);
  const size_t more = missing.size() > kMostNamed ? missing.size() - kMostNamed : 0;
  missing.resize(missing.size() - more);
  return fmt::format("rank {}{} of {}", fmt::join(missing, ", "), more > 0 ? fmt::format(" and {} more", more) : "", size_);
}

void RankDesk::look(Guests& guests, MeetingClock::time_point now) {
  if (ranks_.empty() || has_all() || now - said_ < kBetweenNotices) return;
  said_ = now;
  for (const auto& [rank, one] : ranks_) guests.send(one.guest, {"missing", missing_ranks() + guests.refusals()});
}

}  // namespace ingot::launch
