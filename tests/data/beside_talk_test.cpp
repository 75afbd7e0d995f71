// What a record says beside its talk, and what says that it is not to be trained.
#include <gtest/gtest.h>

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "data/sft/record_handler.h"
#include "roles.h"

namespace ingot::data {
namespace {

using Messages = std::vector<Message>;
using Names = std::vector<std::string>;

HandledRecord read_record(const std::string& json, MapKeys::Names keys = {}) {
  return make_record_handler("auto", MapKeys(std::move(keys)))->handle(json);
}

Conversation conversation_of(const std::string& json, MapKeys::Names keys = {}) {
  const auto record = read_record(json, std::move(keys));
  EXPECT_EQ(record.reason, "") << json;
  return record.conversations.size() == 1 ? record.conversations[0] : Conversation{};
}

Messages messages_in(const std::string& json, MapKeys::Names keys = {}) { return conversation_of(json, std::move(keys)).messages; }

/// A record of every form that says q and a, with `more` beside it.
std::vector<std::string> forms_with(const std::string& more) {
  std::vector<std::string> forms;
  for (const char* talk : {R"("instruction": "q", "output": "a")", R"("instruction": "q", "response": "a")", R"("query": "q", "response": "a")",
                           R"("prompt": "q", "completion": "a")", R"("question": "q", "answer": "a")", R"("inputs": "q", "targets": "a")",
                           R"("messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])",
                           R"("conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}])",
                           R"("conversation": [{"input": "q", "output": "a"}])", R"("conversation": [{"human": "q", "assistant": "a"}])",
                           R"("data": ["q", "a"])", R"("conversations": ["q", "a"])",
                           R"("prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}])"})
    forms.push_back(std::string("{") + talk + ", " + more + "}");
  return forms;
}

TEST(BesideTalk, AColumnWithoutANameIsNoPartOfTheQuestion) {
  for (const auto& record : forms_with(R"("": "7")")) {
    EXPECT_EQ(messages_in(record), (Messages{{kUser, "q"}, {kAssistant, "a"}})) << record;
    EXPECT_EQ(read_record(record).unused, (Names{"(unnamed)"})) << record;
  }
}

TEST(BesideTalk, TheSystemColumnIsReadInEveryFormUnderItsNameOrTheUsers) {
  const Messages wanted{{kSystem, "s"}, {kUser, "q"}, {kAssistant, "a"}};
  for (const auto& record : forms_with(R"("system": "s")")) EXPECT_EQ(messages_in(record), wanted) << record;
  for (const auto& record : forms_with(R"("sys": "s")")) {
    EXPECT_EQ(messages_in(record, {{"system", "sys"}}), wanted) << record;
    EXPECT_EQ(read_record(record, {{"system", "sys"}}).unused, Names{}) << record;
    EXPECT_EQ(read_record(record).unused, (Names{"sys"})) << record;
  }
}

TEST(BesideTalk, ToolsAreReadInEveryFormAsTextsOrObjects) {
  const JsonValue tool = parse_json_value(R"({"name": "f"})", "tool");
  for (const char* tools : {R"("tools": [{"name": "f"}])", R"("tools": ["{\"name\": \"f\"}"])", R"("tools": "[{\"name\": \"f\"}]")"})
    for (const auto& record : forms_with(tools)) EXPECT_EQ(conversation_of(record).tools, std::vector<JsonValue>{tool}) << record;
  for (const auto& record : forms_with(R"("functions": [{"name": "f"}])"))
    EXPECT_EQ(conversation_of(record).tools, std::vector<JsonValue>{parse_json_value(R"({"type": "function", "function": {"name": "f"}})", "tool")}) << record;
  for (const auto& record : forms_with(R"("defs": [{"name": "f"}])"))
    EXPECT_EQ(conversation_of(record, {{"tools", "defs"}}).tools, std::vector<JsonValue>{tool}) << record;
  for (const auto& record : forms_with(R"("tools": [5])")) EXPECT_EQ(read_record(record).reason, "an entry of tools is no JSON object") << record;
  for (const auto& record : forms_with(R"("tools": [{"name": "f"}], "functions": [{"name": "g"}])")) EXPECT_EQ(read_record(record).unused, (Names{"functions"})) << record;
}

TEST(BesideTalk, ASystemMessageStandsOnceAndTwoThatDifferAreRefused) {
  const auto both = [](const char* column, const char* message) {
    return std::string(R"({"system": ")") + column + R"(", "conversations": [{"from": "system", "value": ")" + message +
           R"("}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})";
  };
  EXPECT_EQ(messages_in(both("s", "s")), (Messages{{kSystem, "s"}, {kUser, "q"}, {kAssistant, "a"}}));
  EXPECT_EQ(messages_in(both("", "s")), (Messages{{kSystem, "s"}, {kUser, "q"}, {kAssistant, "a"}}));
  EXPECT_EQ(read_record(both("s", "t")).reason, "the column system and the system message in the talk differ; ignore_fields: [system] trains the latter");
  EXPECT_EQ(read_record(R"({"system": "s", "conversation": [{"system": "t", "input": "q", "output": "a"}]})").reason,
            "the column system and the system message in the talk differ; ignore_fields: [system] trains the latter");
}

TEST(BesideTalk, WhatStandsBesideAQuestionBelongsToIt) {
  const Messages wanted{{kUser, "q\nc"}, {kAssistant, "a"}};
  for (const char* record : {R"({"instruction": "q", "input": "c", "response": "a"})", R"({"instruction": "q", "context": "c", "output": "a"})",
                             R"({"question": "q", "context": "c", "response": "a"})", R"({"prompt": "q", "input": "c", "response": "a"})",
                             R"({"query": "q", "context": "c", "response": "a"})", R"({"instruction": "q", "input": "c", "target": "a"})",
                             R"({"input": "q", "context": "c", "output": "a"})"})
    EXPECT_EQ(messages_in(record), wanted) << record;
  EXPECT_EQ(read_record(R"({"question": "q", "input": "c", "context": "d", "answer": "a"})").reason,
            "both input and context stand beside the question; ignore_fields: [context] trains without one");
}

TEST(BesideTalk, AnswersInTheQuestionAreNoLabels) {
  Messages wanted{{kUser, "q"}, {kAssistant, "old"}, {kUser, "r"}, {kAssistant, "new"}};
  wanted[1].masked = true;
  EXPECT_EQ(messages_in(R"({"prompt": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "old"}, {"role": "user", "content": "r"}],
                            "completion": [{"role": "assistant", "content": "new"}]})"), wanted);
}

TEST(BesideTalk, ReasoningInAColumnIsTheAnswers) {
  for (const char* name : {"reasoning_content", "reasoning", "thinking"}) {
    const auto messages = messages_in(std::string(R"({"question": "q", "answer": "a", ")") + name + R"(": "hm"})");
    EXPECT_EQ(messages.at(1).reasoning, "hm");
  }
}

TEST(BesideTalk, MediaAreRefusedWhereverTheyAndTheirPlacesStand) {
  for (const char* record :
       {R"({"prompt": [{"role": "user", "content": "<image>q", "images": ["x"]}], "completion": [{"role": "assistant", "content": "a"}]})",
        R"({"query": "<|AUDIO|>q", "response": "a", "audios": ["x"]})", R"({"query": "<|IMAGE|>q", "response": "a", "images": ["x"]})",
        R"({"query": "<image>q", "response": "a", "image_path": "x"})", R"({"query": "<video>q", "response": "a", "media": ["x"]})",
        R"({"query": "<ref-object>q", "response": "a", "objects": {"ref": ["x"]}})"})
    EXPECT_NE(read_record(record).reason.find("are not trained and the text has a placeholder"), std::string::npos) << record;
  EXPECT_EQ(messages_in(R"({"query": "q", "response": "a", "images": ["x"]})").size(), 2u);
}

TEST(BesideTalk, AnAnswerThatIsNotWantedIsRefusedOrNoLabel) {
  for (const char* more : {R"("desirable": false)", R"("kto_tag": 0)", R"("loss": false)", R"("train": false)", R"("negative_messages": [{"role": "assistant", "content": "b"}])"})
    for (const auto& record : forms_with(more)) EXPECT_NE(read_record(record).reason.find("ignore_fields"), std::string::npos) << record;
  for (const char* more : {R"("train": false)", R"("loss_scale": 0)", R"("loss_scale": 0.0)"})
    EXPECT_EQ(messages_in(std::string(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b", )") + more +
                          R"(}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})").at(1).weight, 0);
}

TEST(BesideTalk, AnEmptyCellOfCallsIsNone) {
  for (const char* calls : {R"("")", R"(" ")", R"("null")", R"("[]")", "[]", "{}", "null"})
    for (const char* name : {"tool_calls", "function_call"})
      EXPECT_EQ(messages_in(std::string(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", ")") + name + "\": " + calls + "}]}"),
                (Messages{{kUser, "q"}, {kAssistant, "a"}}));
  for (const char* cell : {"null", "nan", "None", "NaN"})
    EXPECT_EQ(messages_in(std::string(R"({"instruction": "q", "output": "a", "history": ")") + cell + "\"}"), (Messages{{kUser, "q"}, {kAssistant, "a"}}));
}

TEST(BesideTalk, TwoThatSayTheSameThingMayNotDiffer) {
  for (const auto& record : forms_with(R"("system": "A", "system_prompt": "B")"))
    EXPECT_EQ(read_record(record).reason, "the columns system and system_prompt differ; ignore_fields: [system_prompt] trains the former") << record;
  EXPECT_EQ(read_record(R"({"query": "q", "response": "a", "system": "A", "system_prompt": "B"})", {{"system", "system"}}).unused, Names{"system_prompt"});
  EXPECT_EQ(read_record(R"({"query": "q", "response": "a", "system": "A", "system_prompt": "A"})").unused, Names{});
}

TEST(BesideTalk, ToolsOfASystemMessageAreUsedAndMayNotDifferFromTheColumn) {
  const std::string talk = R"([{"role": "system", "content": "s", "tools": [{"name": "f"}]}, {"role": "user", "content": "q"}])", answer = R"({"role": "assistant", "content": "a"})";
  const std::string whole = R"({"messages": )" + talk.substr(0, talk.size() - 1) + ", " + answer + "]";
  EXPECT_EQ(read_record(whole + "}").unused, Names{});
  EXPECT_EQ(conversation_of(whole + R"(, "tools": [{"type": "function", "function": {"name": "f"}}]})").tools.size(), 1u);
  EXPECT_EQ(read_record(whole + R"(, "tools": [{"name": "g"}]})").reason, "the column tools and the tools of the system message differ; ignore_fields: [tools] trains neither");
  const auto trl = read_record(R"({"prompt": )" + talk + R"(, "completion": [)" + answer + "]}");
  EXPECT_EQ(trl.unused, Names{});
  EXPECT_EQ(trl.conversations.at(0).tools.size(), 1u);
  EXPECT_EQ(read_record(R"({"messages": [{"role": "user", "content": "q", "tools": [{"name": "f"}]}, )" + answer + "]}").unused, Names{"messages[].tools"});
}

TEST(BesideTalk, OfCallsUnderTwoNamesOneSetIsTaken) {
  const auto with = [](const std::string& older) {
    return read_record(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
      "function_call": {"name": ")" + older + R"(", "arguments": "{}"}}]})");
  };
  EXPECT_EQ(with("g").reason, "tool_calls and function_call of a message differ; ignore_fields: [function_call] trains the former");
  EXPECT_EQ(with("f").conversations.at(0).messages.at(1).calls.size(), 1u);
}

TEST(BesideTalk, CallsInAQuestionAreRefused) {
  EXPECT_EQ(read_record(R"({"messages": [{"role": "user", "content": "q", "tool_calls": [{"name": "f", "arguments": {}}]}, {"role": "assistant", "content": "a"}]})").reason,
            "tool calls stand in a message that is no answer");
}

TEST(BesideTalk, TurnsOfMossAreInTheOrderOfTheirNumbers) {
  const auto turn = [](int n) { return "\"turn_" + std::to_string(n) + R"(": {"Human": "q)" + std::to_string(n) + R"(", "MOSS": "a"})"; };
  const auto messages = messages_in("{\"chat\": {" + turn(1) + ", " + turn(10) + ", " + turn(2) + R"(, "turn_11": null}})");
  ASSERT_EQ(messages.size(), 6u);
  EXPECT_EQ(messages[2].content, "q2");
  EXPECT_EQ(messages[4].content, "q10");
}

}  // namespace
}  // namespace ingot::data
