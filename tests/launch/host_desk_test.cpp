#include "launch/host_desk.h"

#include <gtest/gtest.h>

#include "launch/heard_guests.h"

namespace ingot::launch {
namespace {

/// Even numbers of ranks are possible.
HostRules rules(int64_t least, int64_t most, int64_t restarts) {
  return {.min_hosts = least, .max_hosts = most, .max_restarts = restarts, .possible_ranks = [](int64_t ranks) { return ranks / 2 * 2; }};
}

/// A desk at which hosts with two ranks each have come: guests 0, 1 ...
struct Hosts {
  Hosts(HostRules rules, int64_t count) : desk(std::move(rules)) {
    for (int64_t i = 0; i < count; ++i) come(static_cast<int>(i));
    look();
  }
  void come(int guest) { desk.handle(guests, guest, {"host", std::to_string(guest), "2", "node-" + std::to_string(guest)}); }
  void look(int64_t seconds = 0) { desk.look(guests, MeetingClock::now() + std::chrono::seconds(seconds)); }
  void end(int guest, const char* round, const char* code, const char* count = "2") { desk.handle(guests, guest, {"ended", round, code, count, "rank 1 was killed"}); }
  HeardGuests guests;
  HostDesk desk;
};

TEST(HostDesk, DealsTheRanksInOrderOfThePlaces) {
  Hosts hosts(rules(2, 2, 0), 0);
  hosts.come(1), hosts.look(), hosts.come(0), hosts.look();
  EXPECT_EQ(hosts.guests.take(0), (Said{{"start", "1", "0", "2", "4"}}));
  EXPECT_EQ(hosts.guests.take(1), (Said{{"start", "1", "2", "2", "4"}}));
  hosts.end(0, "1", "0"), hosts.end(1, "1", "0");
  EXPECT_EQ(hosts.guests.take(0), (Said{{"end", "0", ""}}));
}

TEST(HostDesk, NamesTheHostsThatAreMissing) {
  Hosts hosts(rules(3, 3, 0), 0);
  hosts.come(1), hosts.look(6);
  EXPECT_EQ(hosts.guests.take(1), (Said{{"waiting", "host 0, 2 of 3"}}));
  hosts.desk.handle(hosts.guests, 5, {"host", "1", "2", "node-5"});
  EXPECT_EQ(hosts.guests.take(5), (Said{{"refused", "--node-rank: found 1, which is node-1 (10.0.0.1) already"}}));
}

TEST(HostDesk, AFailureOfOneEndsAllAndStartsThemAgain) {
  Hosts hosts(rules(2, 2, 1), 2);
  hosts.guests.take(0), hosts.guests.take(1);
  hosts.end(1, "1", "4");
  EXPECT_EQ(hosts.guests.take(0), (Said{{"stop", "node-1 (10.0.0.1): rank 1 was killed"}}));
  hosts.end(0, "1", "4"), hosts.look();
  EXPECT_EQ(hosts.guests.take(0), (Said{{"start", "2", "0", "2", "4"}}));
  hosts.guests.take(1);
  hosts.end(1, "2", "4"), hosts.end(0, "2", "4");
  EXPECT_EQ(hosts.guests.take(1), (Said{{"end", "4", "node-1 (10.0.0.1): rank 1 was killed; that was the last of 1 restart"}}));
}

TEST(HostDesk, WhatAFileIsToBlameForIsNotTriedAgain) {
  for (const char* code : {"2", "3", "143"}) {
    Hosts hosts(rules(1, 1, 5), 1);
    hosts.guests.take(0);
    hosts.end(0, "1", code);
    EXPECT_EQ(hosts.guests.take(0).back()[1], code);
  }
}

TEST(HostDesk, ASpareTakesThePlaceOfALostHost) {
  Hosts hosts(rules(2, 2, 1), 2);
  hosts.come(2);
  EXPECT_EQ(hosts.guests.take(2).at(0)[0], "waiting");
  hosts.guests.take(0);
  hosts.desk.gone(hosts.guests, 1);
  EXPECT_EQ(hosts.guests.take(0), (Said{{"stop", "host node-1 (10.0.0.1) has gone"}}));
  hosts.end(0, "1", "4"), hosts.look();
  EXPECT_EQ(hosts.guests.take(2), (Said{{"start", "2", "2", "2", "4"}}));
}

TEST(HostDesk, GoesOnWithFewerHostsWhenNoneComesLate) {
  Hosts hosts(rules(1, 2, 1), 2);
  hosts.desk.gone(hosts.guests, 1);
  hosts.end(0, "1", "4", "1");  // one rank is left: it cannot be shared by so few
  hosts.guests.take(0), hosts.look(), hosts.look(14);
  EXPECT_EQ(hosts.guests.take(0).at(0)[0], "waiting");
  hosts.look(16);
  EXPECT_EQ(hosts.guests.take(0), (Said{{"end", "4", "1 rank left, and the job cannot be shared by so few"}}));
}

TEST(HostDesk, ASilentHostIsLostAndTheOthersAreTold) {
  Hosts hosts(rules(2, 2, 0), 2);
  hosts.look(29);
  hosts.guests.take(1);
  hosts.look(31);
  EXPECT_EQ(hosts.guests.take(1), (Said{{"stop", "host node-0 (10.0.0.0) has said nothing for 30 s"}}));
  hosts.desk.handle(hosts.guests, 9, {"host", "-1", "2", "late"});
  EXPECT_EQ(hosts.guests.take(9), (Said{{"end", "4", "the job has ended"}}));
}

TEST(HostDesk, WaitsNoLongerThanItIsTold) {
  auto hasty = rules(2, 2, 0);
  hasty.patience = std::chrono::seconds(5);
  Hosts hosts(std::move(hasty), 1);
  hosts.guests.refused = "; refused: 10.0.0.9: without the token of this job";
  hosts.look(4);
  EXPECT_EQ(hosts.guests.take(0), Said{});
  hosts.look(6);
  EXPECT_EQ(hosts.guests.take(0), (Said{{"end", "4", "waited 5 s for host 1 of 2; refused: 10.0.0.9: without the token of this job"}}));
}

}  // namespace
}  // namespace ingot::launch
