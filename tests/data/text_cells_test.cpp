// JSON that stands as text in a record: tables with one type a column have it.
#include <gtest/gtest.h>

#include "data/sft/record_handler.h"
#include "roles.h"

namespace ingot::data {
namespace {

using Messages = std::vector<Message>;

Messages talk_of(const std::string& json, MapKeys::Names keys = {}) {
  const auto record = make_record_handler("auto", MapKeys(std::move(keys)))->handle(json);
  EXPECT_EQ(record.reason, "") << json;
  return record.conversations.size() == 1 ? record.conversations[0].messages : Messages{};
}

const Messages kTalk{{kUser, "q"}, {kAssistant, "a"}};

TEST(TextCells, AListOfMessagesInTextsIsThoseMessages) {
  const std::string openai = R"(["{\"role\": \"user\", \"content\": \"q\"}", " {\"role\": \"assistant\", \"content\": \"a\"}"])",
                    sharegpt = R"(["{\"from\": \"human\", \"value\": \"q\"}", "{\"from\": \"gpt\", \"value\": \"a\"}"])";
  for (const char* name : {"messages", "conversations", "conversation"})
    for (const auto& list : {openai, sharegpt}) EXPECT_EQ(talk_of("{\"" + std::string(name) + "\": " + list + "}"), kTalk) << name << list;
  EXPECT_EQ(talk_of(R"({"conversation": ["{\"input\": \"q\", \"output\": \"a\"}"]})"), kTalk);
  EXPECT_EQ(talk_of(R"({"messages": "[\"{\\\"role\\\": \\\"user\\\", \\\"content\\\": \\\"q\\\"}\", \"{\\\"role\\\": \\\"assistant\\\", \\\"content\\\": \\\"a\\\"}\"]"})"), kTalk);
  EXPECT_EQ(talk_of(R"({"prompt": ["{\"role\": \"user\", \"content\": \"q\"}"], "completion": ["{\"role\": \"assistant\", \"content\": \"a\"}"]})"), kTalk);
  EXPECT_EQ(talk_of(R"({"talk": ["{\"who\": \"user\", \"value\": \"q\"}", "{\"who\": \"assistant\", \"value\": \"a\"}"]})",
                        {{"messages", "talk"}, {"tags.role_tag", "who"}}), kTalk);
}

TEST(TextCells, ATextThatIsNoMessageIsWhatIsSaid) {
  EXPECT_EQ(talk_of(R"({"conversations": ["q", "{\"role\": \"x\"}"]})"), (Messages{{kUser, "q"}, {kAssistant, R"({"role": "x"})"}}));
  EXPECT_EQ(talk_of(R"({"data": ["{\"x\": 1}", "{\"y\": 2}"]})"), (Messages{{kUser, R"({"x": 1})"}, {kAssistant, R"({"y": 2})"}}));
  EXPECT_EQ(talk_of(R"({"messages": ["{q}", "{a}"]})"), (Messages{{kUser, "{q}"}, {kAssistant, "{a}"}}));
}

TEST(TextCells, AListOfCallsInTextsIsThoseCalls) {
  const auto with = [](const std::string& calls) {
    return talk_of(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": )" + calls + "}]}");
  };
  const auto wanted = with(R"([{"id": "1", "function": {"name": "f", "arguments": {"x": 1}}}])");
  ASSERT_EQ(wanted.back().calls.size(), 1u);
  EXPECT_EQ(with(R"(["{\"id\": \"1\", \"function\": {\"name\": \"f\", \"arguments\": {\"x\": 1}}}"])"), wanted);
  EXPECT_EQ(with(R"("[{\"id\": \"1\", \"function\": {\"name\": \"f\", \"arguments\": {\"x\": 1}}}]")"), wanted);
}

}  // namespace
}  // namespace ingot::data
