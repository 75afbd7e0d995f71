#include "launch/rank_desk.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "launch/heard_guests.h"

namespace ingot::launch {
namespace {

constexpr const char* kKeys = "learning_rate: 0.1\nseed: 42\n";

TEST(RankDesk, TellsAllWhenTheLastHasCome) {
  HeardGuests guests;
  RankDesk desk("1", 2);
  desk.handle(guests, 7, {"join", "1", "1", "2", kKeys});
  EXPECT_EQ(guests.take(7), Said{});
  desk.handle(guests, 8, {"join", "1", "0", "2", kKeys});
  EXPECT_EQ(guests.take(7), Said{{"all"}});
  EXPECT_EQ(guests.take(8), Said{{"all"}});
}

TEST(RankDesk, NamesWhoIsMissingAndWhoWasRefused) {
  HeardGuests guests;
  guests.refused = "; refused: 10.0.0.9: without the token of this job";
  RankDesk desk("1", 3);
  desk.handle(guests, 7, {"join", "1", "1", "3", kKeys});
  desk.look(guests, MeetingClock::now());
  EXPECT_EQ(guests.take(7), Said{});
  desk.look(guests, MeetingClock::now() + std::chrono::seconds(6));
  EXPECT_EQ(guests.take(7), (Said{{"missing", "rank 0, 2 of 3; refused: 10.0.0.9: without the token of this job"}}));
  desk.gone(guests, 7);
  desk.handle(guests, 8, {"join", "1", "1", "3", kKeys});  // it may come again
  EXPECT_EQ(guests.take(8), Said{});
}

TEST(RankDesk, NamesTheKeysInWhichARankDiffersFromRankZero) {
  for (const bool is_first : {true, false}) {
    HeardGuests guests;
    RankDesk desk("1", 2);
    const auto join_zero = [&] { desk.handle(guests, 1, {"join", "1", "0", "2", kKeys}); };
    if (is_first) join_zero();
    desk.handle(guests, 2, {"join", "1", "1", "2", "learning_rate: 0.2\nseed: 42\nzero_stage: 1\n"});
    if (!is_first) join_zero();
    const Said wanted{{"failed", "2", "rank 1 (10.0.0.2) has another configuration than rank 0: learning_rate: found 0.2, rank 0 has 0.1; zero_stage: found 1, rank 0 has none"}};
    EXPECT_EQ(guests.take(1), wanted);
    EXPECT_EQ(guests.take(2), wanted);
  }
}

TEST(RankDesk, RefusesRanksOfAnotherRoundSizeOrThatAreThere) {
  HeardGuests guests;
  RankDesk desk("2", 2);
  desk.handle(guests, 1, {"join", "2", "1", "2", kKeys});
  desk.handle(guests, 2, {"join", "1", "0", "2", kKeys});
  EXPECT_EQ(guests.take(2), (Said{{"failed", "4", "rank 0 is of start 1 of the job, which is at start 2"}}));
  desk.handle(guests, 2, {"join", "2", "0", "3", kKeys});
  EXPECT_EQ(guests.take(2), (Said{{"failed", "4", "found rank 0 of 3, wanted one of 2"}}));
  desk.handle(guests, 2, {"join", "2", "1", "2", kKeys});
  EXPECT_EQ(guests.take(2), (Said{{"failed", "4", "rank 1 has come already, from 10.0.0.1"}}));
}

TEST(RankDesk, AValueIsWaitedFor) {
  HeardGuests guests;
  RankDesk desk("1", 2);
  desk.handle(guests, 1, {"get", "a", "b"});
  desk.handle(guests, 2, {"set", "a", "1"});
  EXPECT_EQ(guests.take(1), Said{});
  desk.handle(guests, 2, {"add", "b", "5"});
  EXPECT_EQ(guests.take(1), (Said{{"value", "1", "5"}}));
  desk.handle(guests, 1, {"check", "a", "b"});
  desk.handle(guests, 1, {"check", "a", "c"});
  EXPECT_EQ(guests.take(1), (Said{{"value", "1"}, {"value", "0"}}));
  desk.open("2", 2);
  desk.handle(guests, 1, {"check", "a"});
  EXPECT_EQ(guests.take(1), (Said{{"value", "0"}}));
  EXPECT_THROW(desk.handle(guests, 1, {"add", "b", "five"}), CommError);
  EXPECT_THROW(desk.handle(guests, 1, {"dance"}), CommError);
}

}  // namespace
}  // namespace ingot::launch
