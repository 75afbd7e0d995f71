#include "launch/host_agent.h"

#include <gtest/gtest.h>

#include <memory>

#include "core/error.h"
#include "launch/meeting.h"

namespace ingot::launch {
namespace {

/// Ends a job as soon as a host comes, and says more behind it.
class EndsAtOnce : public Desk {
 public:
  void handle(Guests& guests, int guest, const Message& message) override {
    if (message[0] != "host") return;
    guests.send(guest, {"end", "3", "a file is damaged"});
    guests.send(guest, {"refused", "the job is over"});
  }
  void gone(Guests&, int) override {}
  void look(Guests&, MeetingClock::time_point) override {}
};

/// What comes behind the last word, the end of the connection too, is nothing to a host any more.
TEST(HostAgent, DoesNotReadOnBehindTheLastWord) {
  Meeting meeting(listen_at("127.0.0.1", 0), "a secret of the test", std::make_unique<EndsAtOnce>());
  HostGoing going;
  going.door = {.host = "127.0.0.1", .port = meeting.port(), .token = "a secret of the test"};
  EXPECT_EQ(attend(going), kExitData);
}

}  // namespace
}  // namespace ingot::launch
