#include "launch/host_desk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/log.h"

namespace ingot::launch {
namespace {

constexpr std::chrono::seconds kBetweenHostNotices{5};

std::string counted(int64_t count, const char* what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

}  // namespace

HostDesk::HostDesk(HostRules rules) : rules_(std::move(rules)), waiting_since_(MeetingClock::now()), said_(waiting_since_) {}

void HostDesk::handle(Guests& guests, int guest, const Message& message) {
  const std::string verb = message.empty() ? "" : message[0];
  if (const auto found = hosts_.find(guest); found != hosts_.end()) found->second.heard = MeetingClock::now();
  if (verb == "alive") return guests.send(guest, {"alive"});
  if (verb == "host" && message.size() == 4) return arrive(guests, guest, message);
  if (verb == "ended" && message.size() == 5) return note_end(guests, guest, message);
  ranks_.handle(guests, guest, message);
}

void HostDesk::arrive(Guests& guests, int guest, const Message& message) {
  const Host host{number_in(message[1]), number_in(message[2]), fmt::format("{} ({})", message[3], guests.address_of(guest)), MeetingClock::now()};
  if (has_ended_) return guests.send(guest, {"end", std::to_string(kExitComm), "the job has ended"});
  for (const auto& [number, other] : hosts_)
    if (host.place >= 0 && other.place == host.place)
      return guests.send(guest, {"refused", fmt::format("--node-rank: found {}, which is {} already", host.place, other.name)});
  hosts_[guest] = host;
  if (is_running_) {
    log_info(fmt::format("{} has come and waits as a spare", host.name));
    guests.send(guest, {"waiting", "a place that becomes free: this host is a spare"});
  }
}

void HostDesk::note_end(Guests& guests, int guest, const Message& message) {
  const auto found = hosts_.find(guest);
  if (found == hosts_.end() || !found->second.runs || number_in(message[1]) != num_starts_) return;
  found->second.runs = false;
  found->second.count = number_in(message[3]);
  if (const auto code = static_cast<int>(number_in(message[2])); code != kExitOk) fail(guests, code, fmt::format("{}: {}", found->second.name, message[4]));
  settle(guests);
}

void HostDesk::gone(Guests& guests, int guest) {
  ranks_.gone(guests, guest);
  if (hosts_.contains(guest)) lose(guests, guest, "has gone");
}

void HostDesk::lose(Guests& guests, int guest, const std::string& why) {
  const Host host = hosts_.at(guest);
  hosts_.erase(guest);
  if (has_ended_) return;
  log_warning(fmt::format("host {} {}", host.name, why));
  if (host.runs) fail(guests, kExitComm, fmt::format("host {} {}", host.name, why));
  settle(guests);
}

/// What a file or key is to blame for goes before everything else, and a failure before a stop.
void HostDesk::fail(Guests& guests, int exit_code, const std::string& why) {
  const auto weight = [](int code) { return code == kExitOk ? 0 : code == kExitTerminated ? 1 : code == kExitConfig || code == kExitData ? 3 : 2; };
  if (weight(exit_code) <= weight(exit_code_)) return;
  exit_code_ = exit_code;
  if (exit_code == kExitTerminated || !std::exchange(failure_, why).empty()) return;  // the ranks agree on a stop among themselves
  for (const auto& [number, host] : hosts_)
    if (host.runs) guests.send(number, {"stop", why});
}

/// When no host runs ranks of the round any more: is this the end?
void HostDesk::settle(Guests& guests) {
  if (!is_running_ || std::any_of(hosts_.begin(), hosts_.end(), [](const auto& host) { return host.second.runs; })) return;
  is_running_ = false;
  if (exit_code_ != kExitComm) return end(guests, exit_code_, failure_);
  if (num_starts_ > rules_.max_restarts)
    return end(guests, kExitComm, rules_.max_restarts == 0 ? failure_ : fmt::format("{}; that was the last of {}", failure_, counted(rules_.max_restarts, "restart")));
  log_warning(fmt::format("{}; restart {} of {}, from the newest checkpoint", failure_, num_starts_, rules_.max_restarts));
  waiting_since_ = MeetingClock::now(), enough_since_.reset();
}

void HostDesk::end(Guests& guests, int exit_code, const std::string& why) {
  has_ended_ = true;
  for (const auto& [number, host] : hosts_) guests.send(number, {"end", std::to_string(exit_code), why});
}

void HostDesk::look(Guests& guests, MeetingClock::time_point now) {
  ranks_.look(guests, now);
  std::vector<int> silent;
  for (const auto& [number, host] : hosts_)
    if (now - host.heard > rules_.silence) silent.push_back(number);
  for (const int number : silent) lose(guests, number, fmt::format("has said nothing for {} s", rules_.silence.count()));
  if (is_running_ || has_ended_) return;
  const bool is_enough = static_cast<int64_t>(hosts_.size()) >= rules_.min_hosts;
  if (!is_enough) enough_since_.reset();
  else if (!enough_since_) enough_since_ = now;
  if (is_full() || (is_enough && now - *enough_since_ >= rules_.late)) return start(guests);
  if (now - waiting_since_ > rules_.patience)
    return end(guests, kExitComm, fmt::format("waited {} s for {}{}", rules_.patience.count(), missing_hosts(), guests.refusals()));
  notice(guests, now);
}

std::string HostDesk::missing_hosts() const {
  std::vector<int64_t> places;
  for (int64_t place = 0; place < rules_.max_hosts; ++place)
    if (std::none_of(hosts_.begin(), hosts_.end(), [place](const auto& host) { return host.second.place == place; })) places.push_back(place);
  places.resize(std::min(places.size(), static_cast<size_t>(std::max<int64_t>(0, rules_.max_hosts - static_cast<int64_t>(hosts_.size())))));
  return fmt::format("host {} of {}", fmt::join(places, ", "), rules_.max_hosts);
}

void HostDesk::notice(Guests& guests, MeetingClock::time_point now) {
  if (now - said_ < kBetweenHostNotices) return;
  said_ = now;
  const auto missing = missing_hosts() + guests.refusals();
  for (const auto& [number, host] : hosts_) guests.send(number, {"waiting", missing});
}

void HostDesk::start(Guests& guests) {
  std::vector<int> order;
  for (const auto& [number, host] : hosts_) order.push_back(number);
  const auto place = [&](int number) { return hosts_.at(number).place < 0 ? rules_.max_hosts : hosts_.at(number).place; };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return place(a) < place(b); });
  order.resize(std::min(order.size(), static_cast<size_t>(rules_.max_hosts)));
  int64_t slots = 0;
  for (const int number : order) slots += hosts_.at(number).count;
  const bool is_whole = num_starts_ == 0 && is_full();  // as it was asked for: the ranks say what is wrong with it
  const int64_t num_ranks = is_whole ? slots : rules_.possible_ranks(slots);
  if (num_ranks == 0) return end(guests, kExitComm, fmt::format("{} left, and the job cannot be shared by so few", counted(slots, "rank")));
  is_running_ = true, exit_code_ = kExitOk, failure_.clear();
  ranks_.open(std::to_string(++num_starts_), num_ranks);
  int64_t first = 0;
  for (const int number : order) {
    Host& host = hosts_.at(number);
    const int64_t count = std::min(host.count, num_ranks - first);
    if (count == 0) break;
    host.runs = true;
    guests.send(number, {"start", std::to_string(num_starts_), std::to_string(first), std::to_string(count), std::to_string(num_ranks)});
    first += count;
  }
}

}  // namespace ingot::launch
