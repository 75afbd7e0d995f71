#include "launch/meeting.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

#include "core/error.h"
#include "launch/host_desk.h"
#include "launch/rank_meeting.h"

namespace ingot::launch {
namespace {

constexpr const char* kSecret = "a secret of the test";

RankGoing rank_going(uint16_t port, int64_t rank, int64_t size) {
  RankGoing going{.rank = rank, .size = size, .configuration = "seed: 42\n", .timeout = std::chrono::seconds(20)};
  going.door = {.host = "127.0.0.1", .port = port, .token = kSecret};
  return going;
}

TEST(Meeting, RanksLeaveValuesForEachOther) {
  Meeting meeting(listen_at("127.0.0.1", 0), kSecret, std::make_unique<RankDesk>("0", 3));
  std::vector<std::future<int64_t>> found;
  for (int64_t rank = 0; rank < 3; ++rank)
    found.push_back(std::async(std::launch::async, [&, rank] {
      RankMeeting ranks(rank_going(meeting.port(), rank, 3));
      ranks.set(std::to_string(rank), std::string(100'000, static_cast<char>('a' + rank)));
      const auto values = ranks.get({"0", "1", "2"}, std::chrono::seconds(20));
      EXPECT_EQ(values[2], std::string(100'000, 'c'));
      EXPECT_FALSE(ranks.has({"0", "3"}));
      return ranks.add("count", 1);
    }));
  int64_t sum = 0;
  for (auto& one : found) sum += one.get();
  EXPECT_EQ(sum, 1 + 2 + 3);
}

TEST(Meeting, AValueThatNobodySetsIsWaitedForAsLongAsAsked) {
  auto going = rank_going(0, 0, 1);
  going.serves = true;
  RankMeeting ranks(going);
  EXPECT_THROW(ranks.get({"never"}, std::chrono::milliseconds(50)), CommError);
  EXPECT_THROW(ranks.set("a", "b"), CommError);  // its answer could be the late one of the first question
}

TEST(Meeting, WhoHasAnotherTokenIsRefused) {
  Meeting meeting(listen_at("127.0.0.1", 0), kSecret, std::make_unique<RankDesk>("0", 1));
  auto going = rank_going(meeting.port(), 0, 1);
  going.door.token = "another";
  try {
    RankMeeting ranks(going);
    ADD_FAILURE() << "it was let in";
  } catch (const CommError& error) {
    EXPECT_EQ(std::string(error.what()), "127.0.0.1:" + std::to_string(meeting.port()) + ": refused: without the token of this job");
  }
  EXPECT_NO_THROW(RankMeeting(rank_going(meeting.port(), 0, 1)));
}

TEST(Meeting, ItsLastWordsArriveThoughItEnds) {
  auto meeting = std::make_unique<Meeting>(listen_at("127.0.0.1", 0), kSecret, std::make_unique<HostDesk>(HostRules{.possible_ranks = [](int64_t ranks) { return ranks; }}));
  MeetingClient host({.host = "127.0.0.1", .port = meeting->port(), .token = kSecret});
  host.send({"host", "0", "1", "node-0"});
  ASSERT_EQ(host.receive(std::chrono::seconds(20))->front(), "start");
  host.send({"ended", "1", "3", "1", "a bad file"});
  ASSERT_EQ(*host.receive(std::chrono::seconds(20)), (Message{"end", "3", "node-0 (127.0.0.1): a bad file"}));
  meeting.reset();
  EXPECT_THROW(host.receive(std::chrono::seconds(20)), CommError);
}

TEST(Meeting, ListensAtTheNamedAddressAlone) {
  const auto socket = listen_at("127.0.0.2", 0);
  EXPECT_NO_THROW(connect_to("127.0.0.2", own_port(socket), std::chrono::seconds(5)));
  EXPECT_THROW(connect_to("127.0.0.3", own_port(socket), std::chrono::seconds(5)), CommError);
  EXPECT_EQ(address_towards("127.0.0.2", 1), "127.0.0.1");
}

}  // namespace
}  // namespace ingot::launch
