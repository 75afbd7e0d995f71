#include "launch/message.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace ingot::launch {
namespace {

TEST(Message, ArrivesWholeHoweverItIsCut) {
  const Message first{"set", std::string("a\0b", 3), ""}, second{};
  const std::string bytes = pack(first) + pack(second);
  Inbox inbox(100);
  std::vector<Message> found;
  for (const char byte : bytes) {
    inbox.add({&byte, 1});
    while (const auto message = inbox.take()) found.push_back(*message);
  }
  EXPECT_EQ(found, (std::vector{first, second}));
}

TEST(Message, OneThatIsTooLongIsRefusedBeforeItHasCome) {
  Inbox inbox(100);
  inbox.add(pack({std::string(97, 'x')}).substr(0, 4));
  EXPECT_THROW(inbox.take(), CommError);
  inbox.allow(101);
  EXPECT_FALSE(inbox.take());
}

TEST(Message, ATextBeyondItsEndIsRefused) {
  for (const auto& body : {std::string("\5\0\0\0abcd", 8), std::string("\1\0\0", 3), std::string("\0\0\0\0\xff\xff\xff\xff", 8)}) {
    Inbox inbox(100);
    inbox.add(std::string(1, static_cast<char>(body.size())) + std::string(3, '\0') + body);
    EXPECT_THROW(inbox.take(), CommError);
  }
}

}  // namespace
}  // namespace ingot::launch
