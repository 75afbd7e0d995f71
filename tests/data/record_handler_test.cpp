#include "data/sft/record_handler.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "roles.h"
#include "test_files.h"

namespace ingot::data {
namespace {

using Messages = std::vector<Message>;

HandledRecord handled(const std::string& json, const std::string& handler = "auto", const MapKeys& keys = {}) {
  return make_record_handler(handler, keys)->handle(json);
}

/// An answer with a call of f.
Message calling(const std::string& content, const std::string& arguments) {
  return {.role = kAssistant, .content = content, .calls = {{"f", parse_json_value(arguments, "arguments")}}};
}

/// The messages of the one conversation that the record must give.
Messages messages_of(const std::string& json, const std::string& handler = "auto", const MapKeys& keys = {}) {
  const auto record = handled(json, handler, keys);
  EXPECT_EQ(record.reason, "") << json;
  return record.conversations.size() == 1 ? record.conversations[0].messages : Messages{};
}

TEST(RecordHandler, ReadsAlpacaWithSystemAndHistory) {
  EXPECT_EQ(messages_of(R"({"instruction": "Add", "input": "1 1", "output": "2"})"),
            (Messages{{kUser, "Add\n1 1"}, {kAssistant, "2"}}));
  EXPECT_EQ(messages_of(R"({"instruction": "q", "input": "", "output": "a", "system": "s", "history": [["x", "y"]]})"),
            (Messages{{kSystem, "s"}, {kUser, "x"}, {kAssistant, "y"}, {kUser, "q"}, {kAssistant, "a"}}));
  EXPECT_EQ(messages_of(R"({"instruction": "q", "input": null, "output": "a"})", "GeneralInstructionHandler"),
            (Messages{{kUser, "q"}, {kAssistant, "a"}}));
}

TEST(RecordHandler, ReadsShareGptWithToolsAndCalls) {
  const std::string json = R"({"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"},
    {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": 18446744073709551616}}"}, {"from": "observation", "value": "o"}, {"from": "gpt", "value": "a"}],
    "tools": [{"name": "f"}]})";
  const auto record = handled(json);
  ASSERT_EQ(record.conversations.size(), 1u) << record.reason;
  EXPECT_EQ(record.handler, "sharegpt");
  EXPECT_EQ(record.conversations[0].tools, (std::vector<JsonValue>{parse_json_value(R"({"name":"f"})", "tool")}));
  EXPECT_EQ(record.conversations[0].messages,
            (Messages{{kSystem, "s"}, {kUser, "q"}, calling("", R"({"x": 18446744073709551616})"), {Role::kObservation, "o"}, {kAssistant, "a"}}));
}

TEST(RecordHandler, ReadsOpenAiMessagesPartsCallsAndWeights) {
  const std::string json = R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]},
    {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
    {"role": "tool", "content": "o"}, {"role": "assistant", "content": "a", "weight": 0}]})";
  EXPECT_EQ(handled(json).handler, "openai");
  EXPECT_EQ(messages_of(json), (Messages{{kUser, "q"}, calling("", R"({"x": 1})"), {Role::kObservation, "o"}, {kAssistant, "a", 0}}));
}

TEST(RecordHandler, KeepsWhatAnAgentsMessageCarries) {
  const std::string json = R"({"messages": [{"role": "user", "content": "q", "name": "ann"}, {"role": "assistant", "reasoning_content": "hm",
    "content": "look", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": {"x": 1.50}}}]},
    {"role": "tool", "tool_call_id": "1", "name": "f", "content": ""}, {"role": "tool", "content": null}, {"role": "assistant", "content": "a"}]})";
  Message call = calling("look", R"({"x": 1.50})");
  call.reasoning = "hm", call.calls[0].id = "1";
  const Messages wanted{{.role = kUser, .content = "q", .name = "ann"}, call, {.role = Role::kObservation, .call_id = "1", .name = "f"},
                        {Role::kObservation}, {kAssistant, "a"}};
  EXPECT_EQ(messages_of(json), wanted);
}

TEST(RecordHandler, ReadsWhatOtherTrainersCallMessages) {
  const Messages talk{{kUser, "q"}, {kAssistant, "a"}}, agent{{kUser, "q"}, calling("", R"({"x": 1})"), {Role::kObservation, "o"}, {kAssistant, "a"}};
  const std::string call = R"({"name": "f", "arguments": {"x": 1}})", end = R"(, {"role": "assistant", "content": "a"}]})";
  const std::string begin = R"({"messages": [{"role": "user", "content": "q"}, )";
  for (const char* speaker : {"chatgpt", "model", "bot", "gpt"})
    EXPECT_EQ(messages_of(R"({"conversations": [{"from": "human", "value": "q"}, {"from": ")" + std::string(speaker) + R"(", "value": "a"}]})"), talk);
  EXPECT_EQ(messages_of(begin + R"({"role": "tool_call", "content": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"}, {"role": "tool_response", "content": "o"})" + end), agent);
  EXPECT_EQ(messages_of(begin + R"({"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"x\": 1}"}},
    {"role": "function", "content": "o"})" + end), agent);
  EXPECT_EQ(messages_of(begin + R"({"role": "assistant", "content": [{"type": "tool_call", "value": )" + call + R"(}]}, {"role": "tool", "content": [{"type": "text", "value": "o"}]})" + end), agent);
}

TEST(RecordHandler, ReadsPairsUnderTheNamesOfManyTrainers) {
  const Messages talk{{kUser, "q"}, {kAssistant, "a"}};
  const std::vector<std::pair<std::string, std::string>> cases{
      {"prompt_completion", R"({"prompt": "q", "completion": "a"})"},
      {"prompt_completion", R"({"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]})"},
      {"query_response", R"({"query": "q", "response": "a", "history": [], "system": ""})"},
      {"prompt_response", R"({"prompt": "q", "response": "a"})"},
      {"question_answer", R"({"id": 3, "question": "q", "answer": "a"})"},
      {"dolly", R"({"instruction": "q", "context": "", "response": "a", "category": "closed_qa"})"},
      {"question_response", R"({"id": "x", "system_prompt": "", "question": "q", "response": "a"})"},
      {"inputs_targets", R"({"inputs": "q", "targets": "a", "language": "eng"})"},
      {"input_output", R"({"input": [{"role": "user", "content": "q"}], "output": "a"})"},
      {"lima", R"({"conversations": ["q", "a"], "source": "stackexchange"})"},
      {"firefly", R"({"kind": "NLI", "input": "q", "target": "a"})"},
      {"ultrachat", R"({"id": "0", "data": ["q", "a"]})"},
      {"xtuner", R"({"conversation": [{"input": "q", "output": "a"}]})"},
      {"firefly_turns", R"({"conversation": [{"human": "q", "assistant": "a"}]})"},
      {"firefly_turns", R"({"conversations": [{"human": "q", "assistant": "a"}]})"},
      {"coig_turns", R"({"instruction": "talk", "conversations": [{"question": "q", "answer": "a"}]})"},
      {"firefly_turns", R"({"messages": [], "conversation": [{"human": "q", "assistant": "a"}]})"},
      {"openai", R"({"conversation": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})"},
      {"sharegpt", R"({"conversation": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})"},
      {"openai", R"({"conversations": [], "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})"},
      {"openai", R"({"messages": "[{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"a\"}]", "tools": "[]"})"},
      {"sharegpt", R"({"messages": "", "conversations": "[{\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"gpt\", \"value\": \"a\"}]"})"}};
  for (const auto& [format, json] : cases) {
    EXPECT_EQ(handled(json).handler, format) << json;
    EXPECT_EQ(messages_of(json), talk) << json;
  }
}

TEST(RecordHandler, ReadsEarlierTurnsOfPairs) {
  EXPECT_EQ(messages_of(R"({"system": "s", "query": "q", "response": "a", "history": [["x", "y"]]})"),
            (Messages{{kSystem, "s"}, {kUser, "x"}, {kAssistant, "y"}, {kUser, "q"}, {kAssistant, "a"}}));
  EXPECT_EQ(messages_of(R"({"instruction": "q", "input": "", "output": "a", "history": "[[\"x\", \"y\"]]"})"),
            (Messages{{kUser, "x"}, {kAssistant, "y"}, {kUser, "q"}, {kAssistant, "a"}}));
  for (const char* none : {"\"\"", "\"[]\"", "\" \"", "[]", "null"})
    EXPECT_EQ(messages_of(R"({"instruction": "q", "output": "a", "history": )" + std::string(none) + "}"), (Messages{{kUser, "q"}, {kAssistant, "a"}})) << none;
  EXPECT_EQ(messages_of(R"({"conversation": [{"system": "s", "input": "x", "output": "y", "output_with_loss": false}, {"input": "q", "output": "a"}]})"),
            (Messages{{kSystem, "s"}, {kUser, "x"}, {kAssistant, "y", 0}, {kUser, "q"}, {kAssistant, "a"}}));
  EXPECT_EQ(messages_of(R"({"system": "s", "conversation": [{"human": "x", "assistant": "y"}, {"human": "q", "assistant": "a"}]})"),
            (Messages{{kSystem, "s"}, {kUser, "x"}, {kAssistant, "y"}, {kUser, "q"}, {kAssistant, "a"}}));
  for (const char* orca : {R"({"system_prompt": "s", "question": "q", "response": "a"})", R"({"system_prompt": "s", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})",
                           R"({"system": "s", "system_prompt": "", "question": "q", "response": "a"})",
                           R"({"system": "", "system_prompt": "s", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})"})
    EXPECT_EQ(messages_of(orca), (Messages{{kSystem, "s"}, {kUser, "q"}, {kAssistant, "a"}})) << orca;
  EXPECT_EQ(messages_of(R"({"conversations": ["x", "y", "q", "a"]})"), (Messages{{kUser, "x"}, {kAssistant, "y"}, {kUser, "q"}, {kAssistant, "a"}}));
  EXPECT_EQ(messages_of(R"({"question": "q", "context": "c", "answer": "a"})"), (Messages{{kUser, "q\nc"}, {kAssistant, "a"}}));
  EXPECT_EQ(messages_of(R"({"instruction": "q", "context": "c", "response": "a"})"), (Messages{{kUser, "q\nc"}, {kAssistant, "a"}}));
}

TEST(RecordHandler, NamesTheColumnsThatAreNotUsed) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(handled(R"({"id": 1, "instruction": "q", "output": "a", "input": "", "tags": [], "source": {"x": 1}, "note": null})").unused, (Names{"id", "source"}));
  EXPECT_EQ(handled(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "conversations": [], "images": ["x"]})").unused,
            (Names{"images"}));
  EXPECT_EQ(handled(R"({"conversation": [{"human": "q", "assistant": "a", "thought": "t"}], "dataset": "moss"})").unused,
            (Names{"dataset", "conversation[].thought"}));
  EXPECT_EQ(handled(R"({"messages": [{"role": "user", "content": "q", "time": 3}, {"role": "assistant", "content": "a", "refusal": null, "time": 4, "name": "x"}]})").unused,
            (Names{"messages[].time"}));
  EXPECT_TRUE(handled(R"({"system": "s", "query": "q", "response": "a", "history": [["x", "y"]], "tools": []})").unused.empty());
}

TEST(RecordHandler, RefusesWhatChangesTheMeaningUnlessItIsIgnored) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"images", R"({"question": "<image>What?", "answer": "a", "images": ["x.png"]})"},
      {"videos", R"({"question": "<video>What?", "answer": "a", "videos": ["x.mp4"]})"},
      {"audio", R"({"question": "<audio>What?", "answer": "a", "audio": "x.wav"})"},
      {"label", R"({"prompt": "q", "completion": "a", "label": false})"},
      {"kto_tag", R"({"instruction": "q", "output": "a", "kto_tag": false})"},
      {"rejected_response", R"({"query": "q", "response": "a", "rejected_response": "b"})"},
      {"rejected", R"({"prompt": "q", "response": "a", "rejected": "b"})"},
      {"chosen", R"({"prompt": "q", "completion": "a", "chosen": "b"})"}};
  for (const auto& [column, json] : cases) {
    EXPECT_NE(handled(json).reason.find("ignore_fields: [" + column + "]"), std::string::npos) << json << handled(json).reason;
    const auto taken = make_record_handler("auto", {}, {column})->handle(json);
    EXPECT_EQ(taken.reason, "") << json;
    EXPECT_EQ(taken.unused, std::vector<std::string>{column});
  }
  for (const char* harmless : {R"({"question": "What?", "answer": "a", "images": ["x.png"]})", R"({"question": "<image>", "answer": "a", "images": []})",
                               R"({"prompt": "q", "completion": "a", "label": true})"})
    EXPECT_EQ(handled(harmless).reason, "") << harmless;
  const std::string thought = R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "reasoning": "hm"}]})";
  const auto plain = make_record_handler("auto", {}, {"reasoning_content"})->handle(thought);
  EXPECT_EQ(plain.conversations.at(0).messages.back(), (Message{kAssistant, "a"}));
}

TEST(RecordHandler, CallsOfAnAssistantAreAMessageOfTheirOwn) {
  const std::string call = R"("tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}])", begin = R"({"messages": [{"role": "user", "content": "q"}, )",
                    end = R"(, {"role": "tool", "content": "o"}, {"role": "assistant", "content": "a"}]})";
  const Message observed{Role::kObservation, "o"};
  EXPECT_EQ(messages_of(begin + R"({"role": "assistant", "content": "t"}, {"role": "assistant", "content": "", )" + call + "}" + end),
            (Messages{{kUser, "q"}, {kAssistant, "t"}, calling("", R"({"x": 1})"), observed, {kAssistant, "a"}}));
  EXPECT_EQ(messages_of(begin + R"({"role": "assistant", "content": "t"}, {"role": "tool_call", "content": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"})" + end),
            (Messages{{kUser, "q"}, calling("t", R"({"x": 1})"), observed, {kAssistant, "a"}}));
}

TEST(RecordHandler, WeightsOfTurnsAreWeights) {
  const auto weight = [](const std::string& loss) {
    const auto record = handled(R"({"conversation": [{"input": "q", "output": "a", "output_with_loss": )" + loss + "}]}");
    return record.reason.empty() ? record.conversations[0].messages.back().weight : -1;
  };
  EXPECT_EQ(weight("0"), 0);
  EXPECT_EQ(weight("false"), 0);
  EXPECT_EQ(weight("0.5"), 0.5);
  EXPECT_EQ(weight("true"), 1);
  for (const char* none : {"\"false\"", "\"x\"", "2", "-1"}) EXPECT_EQ(weight(none), -1) << none;
}

TEST(RecordHandler, UnwantedAnswersAreToldInTablesToo) {
  for (const char* no : {"false", "\"false\"", "\"False\"", "\"FALSE\""})
    EXPECT_NE(handled(R"({"instruction": "q", "output": "a", "label": )" + std::string(no) + "}").reason, "") << no;
  for (const char* other : {"0", "\"falsehood\"", "\"\"", "true"})
    EXPECT_EQ(handled(R"({"instruction": "q", "output": "a", "label": )" + std::string(other) + "}").reason, "") << other;
}

TEST(RecordHandler, PlaceholdersOfMediaAreKnown) {
  for (const char* mark : {"<image>", "<|image_pad|>", "<|vision_start|>", "[IMG]", "<img>x</img>"}) {
    const std::string talk = R"("content": ")" + std::string(mark) + R"( what?")", answer = R"({"role": "assistant", "content": "a"}])";
    EXPECT_NE(handled(R"({"messages": [{"role": "user", )" + talk + "}, " + answer + R"(, "images": ["x"]})").reason, "") << mark;
    EXPECT_NE(handled(R"({"messages": [{"role": "user", )" + talk + R"(, "images": ["x"]}, )" + answer + "}").reason, "") << mark;
    const auto ignored = make_record_handler("auto", {}, {"images"})->handle(R"({"messages": [{"role": "user", )" + talk + R"(, "images": ["x"]}, )" + answer + "}");
    EXPECT_EQ(ignored.reason, "");
    EXPECT_EQ(ignored.unused, (std::vector<std::string>{"messages[].images"}));
  }
}

TEST(RecordHandler, TheColumnsThatSaySomethingCount) {
  const Messages talk{{kUser, "q"}, {kAssistant, "a"}};
  for (const char* record : {R"({"question": "q", "answer": "a", "data": ["tag1", "tag2"]})", R"({"messages": [], "instruction": "q", "output": "a"})",
                             R"({"messages": [], "prompt": "q", "completion": "a"})", R"({"conversations": [], "prompt": "q", "response": "a"})",
                             R"({"instruction": "q", "output": "a", "data": "[2024-01-01] log"})", R"({"question": "q", "answer": "a", "conversation": "[x] id"})",
                             R"({"question": "q", "answer": "a", "functions": "[see docs]"})",
                             R"({"prompt": "[{\"role\": \"user\", \"content\": \"q\"}]", "completion": "[{\"role\": \"assistant\", \"content\": \"a\"}]"})"})
    EXPECT_EQ(messages_of(record), talk) << record;
  EXPECT_EQ(messages_of(R"({"prompt": "[1, 2]", "completion": "[3]"})"), (Messages{{kUser, "[1, 2]"}, {kAssistant, "[3]"}}));
  EXPECT_EQ(handled(R"({"messages": []})").reason, "no message");
  EXPECT_EQ(handled(R"({"conversations": "[broken"})").reason, "conversations is no JSON list");
  EXPECT_EQ(messages_of(R"({"chat": "{\"turn_1\": {\"Human\": \"<|Human|>: q<eoh>\", \"MOSS\": \"<|MOSS|>: a<eom>\"}}"})"), talk);
}

TEST(RecordHandler, DefinitionsOfToolsAreObjectsWhereverTheyStand) {
  const std::string tool = R"({"type": "function", "function": {"name": "f"}})", talk = R"({"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])";
  const auto tools_of = [](const std::string& record) { return handled(record).conversations.at(0).tools; };
  const auto wanted = tools_of(R"({"messages": [)" + talk + R"(, "tools": [)" + tool + "]}");
  ASSERT_EQ(wanted.size(), 1u);
  EXPECT_EQ(tools_of(R"({"messages": [)" + talk + R"(, "tools": ["{\"type\": \"function\", \"function\": {\"name\": \"f\"}}"]})"), wanted);
  EXPECT_EQ(tools_of(R"({"messages": [{"role": "system", "content": "", "tools": [)" + tool + "]}, " + talk + "}"), wanted);
  for (const char* wrong : {"[null]", "[\"f\"]", "[3]"})
    EXPECT_EQ(handled(R"({"messages": [)" + talk + R"(, "tools": )" + wrong + "}").reason, "an entry of tools is no JSON object") << wrong;
}

TEST(RecordHandler, NumbersMayNameCalls) {
  const auto record = handled(R"({"messages": [{"role": "user", "content": "q", "name": 7}, {"role": "assistant", "content": "", "tool_calls": [{"id": "4", "function": {"name": "f", "arguments": {}}}]},
    {"role": "tool", "tool_call_id": 4, "content": "o"}, {"role": "assistant", "content": "a"}]})");
  EXPECT_EQ(record.reason, "");
  EXPECT_EQ(record.conversations.at(0).messages.at(2).call_id, "4");
}

TEST(RecordHandler, IgnoredReasoningIsSaidWhereverItStands) {
  using Names = std::vector<std::string>;
  const auto handler = make_record_handler("auto", {}, {"reasoning_content"});
  const auto trl = handler->handle(R"({"prompt": [{"role": "user", "content": "q", "time": "noon"}], "completion": [{"role": "assistant", "content": "a", "reasoning_content": "hm"}]})");
  EXPECT_EQ(trl.reason, "");
  EXPECT_EQ(trl.unused, (Names{"prompt[].time", "completion[].reasoning_content"}));
  EXPECT_EQ(handler->handle(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "thinking": "hm"}]})").unused, (Names{"reasoning_content"}));
  EXPECT_EQ(handled(R"({"messages": [{"role": "user", "content": "<image>"}, {"role": "assistant", "content": "a"}], "images": ["x"], "src": 1})").unused, Names{});
}

TEST(RecordHandler, AdvisesWhereKeysLookLikeQuestionAndAnswer) {
  const auto advice = handled(R"({"id": 1, "Problem": "q", "gold_solution": "a"})").detail;
  EXPECT_EQ(advice, "keys id, Problem, gold_solution; perhaps map_keys: {prompt: Problem, response: gold_solution}");
  EXPECT_EQ(handled(R"({"text": "### Human: q"})").detail, "keys text; stage pt trains on text alone");
  EXPECT_EQ(handled(R"({"a": 1})").detail, "keys a");
  const auto hint = [](const std::string& record) { return handled(record).detail; };
  EXPECT_EQ(hint(R"({"problem": "q", "solution": "s", "answer": "4", "problem_type": "A", "question_type": "m"})"),
            "keys problem, solution, answer, problem_type, question_type; map_keys can name the prompt (problem) and the response (solution or answer)");
  EXPECT_EQ(hint(R"({"problem": "q", "generated_solution": "s", "expected_answer": "4", "problem_source": "x"})"),
            "keys problem, generated_solution, expected_answer, problem_source; perhaps map_keys: {prompt: problem, response: generated_solution}");
  EXPECT_EQ(hint(R"({"user_id": "7", "problem": "p", "solution": "s", "answer_key": "k", "problem_is_valid": "Yes"})"),
            "keys user_id, problem, solution, answer_key, problem_is_valid; perhaps map_keys: {prompt: problem, response: solution}");
}

TEST(RecordHandler, NamesAWayOutOfFormsThatAreNotRead) {
  const auto hint = [](const std::string& record) { return handled(record).detail; };
  EXPECT_EQ(hint(R"({"query": "q", "answers": "[{}]", "tools": "[{\"name\": \"f\"}]"})"), "keys query, answers, tools; calls of tools are trained in a list of messages, as tool_calls");
  EXPECT_EQ(hint(R"({"system": "s", "chat": "USER: q"})"), "keys system, chat; chat is a whole talk in one text, wanted a list of messages");
  EXPECT_EQ(hint(R"({"segments": [{"label": true, "text": "a"}]})"), "keys segments; segments of a text are written as a list of messages, weight: 0 for what is not trained");
  EXPECT_EQ(handled(R"({"instruction": "q", "output": ["good", "bad"]})").reason, "output is a list of texts, wanted one text; two answers are a preference between them");
  EXPECT_NE(handled(R"({"input": "q", "preferred_output": [{"role": "assistant", "content": "a"}]})").reason.find("belongs to a preference"), std::string::npos);
}

TEST(RecordHandler, ReadsReasoningWhereverItStands) {
  Message thought{kAssistant, "a"};
  thought.reasoning = "hm";
  for (const char* answer : {R"("content": [{"type": "reasoning", "value": "hm"}, {"type": "text", "value": "a"}])", R"("content": "a", "reasoning_content": "hm")",
                             R"("content": "a", "reasoning": "hm")", R"("content": "a", "thinking": "hm")"})
    EXPECT_EQ(messages_of(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", )" + std::string(answer) + "}]}"), (Messages{{kUser, "q"}, thought}));
}

TEST(RecordHandler, ReadsReasoningUnderManyNamesOnce) {
  const auto with = [](const std::string& more) {
    return handled(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "THINK hm. a", )" + more + "}]}");
  };
  const auto reasoning = [&](const std::string& more) {
    const auto record = with(more);
    EXPECT_EQ(record.reason, "") << more;
    return record.conversations.empty() ? "" : record.conversations[0].messages.back().reasoning;
  };
  for (const char* more : {R"("thought": "why")", R"("thoughts": "why")", R"("think": "why")", R"("cot": "why")", R"("chain_of_thought": "why")", R"("Complex_CoT": "why")",
                           R"("reasoning": "why", "reasoning_content": "why")", R"("reasoning": "why", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}])",
                           R"("reasoning_details": [{"type": "reasoning.text", "text": "w"}, {"type": "reasoning.text", "text": "hy"}])"})
    EXPECT_EQ(reasoning(more), "why") << more;
  for (const char* none : {R"("think": true)", R"("thinking": false)", R"("cot": 0)", R"("thought": "hm.")", R"("cot": "")", R"("reasoning_details": [])"})
    EXPECT_EQ(reasoning(none), "") << none;
  EXPECT_EQ(with(R"("reasoning": "why", "cot": "so")").reason, "two reasonings of an answer differ; ignore_fields: [cot] trains the other");
  EXPECT_NE(with(R"("reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}])").reason.find("hold no text"), std::string::npos);
  EXPECT_EQ(handled(R"({"question": "q", "answer": "a", "cot": "why"})").conversations.at(0).messages.back().reasoning, "why");
  EXPECT_EQ(handled(R"({"question": "q", "answer": "a", "rationale": "why"})").unused, std::vector<std::string>{"rationale"});
}

TEST(RecordHandler, ReadsEveryNameOfAWeight) {
  const auto with = [](const std::string& weight) {
    return R"({"messages": [{"role": "user", "content": "q", "loss_weight": 0.0}, {"role": "assistant", "content": "a", )" + weight + "}]}";
  };
  for (const char* none : {R"("weight": 0)", R"("weight": false)", R"("loss": false)", R"("loss_weight": 0.0)", R"("loss": 0, "weight": 0.0)"})
    EXPECT_EQ(messages_of(with(none)).back().weight, 0) << none;
  for (const char* whole : {R"("weight": 1)", R"("loss": true)", R"("loss": null)", R"("loss_weight": 1.0)"}) EXPECT_EQ(messages_of(with(whole)).back().weight, 1) << whole;
  EXPECT_EQ(messages_of(with(R"("loss_weight": 0.25)")).back().weight, 0.25);
  EXPECT_EQ(handled(with(R"("weight": 2)")).reason, "a message's weight is no number from 0 to 1");
  EXPECT_EQ(handled(with(R"("weight": 1, "loss": false)")).reason, "a message has two weights that differ");
}

TEST(RecordHandler, WrapsTheFunctionsOfOpenAisOlderRecords) {
  const auto record = handled(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "functions": [{"name": "f"}]})");
  ASSERT_EQ(record.conversations.size(), 1u) << record.reason;
  EXPECT_EQ(record.conversations[0].tools, (std::vector<JsonValue>{parse_json_value(R"({"type": "function", "function": {"name": "f"}})", "tool")}));
}

TEST(RecordHandler, AFunctionCallBelongsToTheAnswerInFrontOfIt) {
  const std::string call = R"({"from": "function_call", "value": "[{\"name\": \"f\", \"arguments\": \"{}\"}]"})";
  const std::string json = R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "look"}, )" + call + ", " + call + "]}";
  Message both = calling("look", "{}");
  both.calls.push_back(both.calls[0]);
  EXPECT_EQ(messages_of(json), (Messages{{kUser, "q"}, both}));
}

TEST(RecordHandler, LeavesTheOrderOfRolesToTheTemplate) {
  const std::string json = R"({"messages": [{"role": "system", "content": ""}, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "q"},
    {"role": "system", "content": "s"}, {"role": "user", "content": "r"}, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]})";
  EXPECT_EQ(messages_of(json), (Messages{{kSystem, ""}, {kAssistant, "hi"}, {kUser, "q"}, {kSystem, "s"}, {kUser, "r"}, {kAssistant, "a"}, {kAssistant, "b"}}));
}

TEST(RecordHandler, RecognisesTheOtherNameOfTheList) {
  const Messages wanted{{kUser, "q"}, {kAssistant, "a"}};
  EXPECT_EQ(messages_of(R"({"conversations": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})"), wanted);
  EXPECT_EQ(messages_of(R"({"messages": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})"), wanted);
}

const std::string kMoss = R"({"meta_instruction": "You are MOSS", "chat": {
  "turn_1": {"Human": "<|Human|>: q1<eoh>\n", "Commands": "<|Commands|>: None<eoc>\n", "MOSS": "<|MOSS|>: a1<eom>\n"},
  "turn_2": {"Human": "<|Human|>: q2<eoh>\n", "MOSS": "<|MOSS|>: a2<eom>\n"}, "turn_3": {}}})";

TEST(RecordHandler, ReadsMossAsOneConversation) {
  for (const char* name : {"auto", "moss", "MOSSMultiTurnHandler"})
    EXPECT_EQ(messages_of(kMoss, name), (Messages{{kUser, "q1"}, {kAssistant, "a1"}, {kUser, "q2"}, {kAssistant, "a2"}}));
  EXPECT_EQ(messages_of(kMoss, "moss", MapKeys(MapKeys::Names{{"system", "meta_instruction"}})).at(0), (Message{kSystem, "You are MOSS"}));
}

TEST(RecordHandler, ReadsMossAsOneItemATurnWithTheLastAnswerLabelled) {
  const auto record = handled(kMoss, "MOSSInstructionHandler");
  ASSERT_EQ(record.conversations.size(), 2u) << record.reason;
  EXPECT_EQ(record.conversations[0].messages, (Messages{{kUser, "q1"}, {kAssistant, "a1"}}));
  Messages wanted{{kUser, "q1"}, {kAssistant, "a1"}, {kUser, "q2"}, {kAssistant, "a2"}};
  wanted[1].masked = true;
  EXPECT_EQ(record.conversations[1].messages, wanted);
}

TEST(RecordHandler, TakesOtherColumnsAndTags) {
  EXPECT_EQ(messages_of(R"({"q": "x", "r": "y"})", "auto", MapKeys(MapKeys::Names{{"prompt", "q"}, {"response", "r"}})),
            (Messages{{kUser, "x"}, {kAssistant, "y"}}));
  const MapKeys tags(MapKeys::Names{{"messages", "dialog"}, {"tags.role_tag", "who"}, {"tags.content_tag", "says"},
                      {"tags.user_tag", "me"}, {"tags.assistant_tag", "you"}});
  EXPECT_EQ(messages_of(R"({"dialog": [{"who": "me", "says": "x"}, {"who": "you", "says": "y"}]})", "auto", tags),
            (Messages{{kUser, "x"}, {kAssistant, "y"}}));
}

TEST(RecordHandler, GivesTheReasonOfWhatCannotBeTrainedOn) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"([1])", "record is a list, not an object"},
      {R"({"a": 1})", "the format of the record is none that is known"},
      {R"({"instruction": "q", "output": 3})", "output is a number, not text"},
      {R"({"instruction": "q"})", "no output"},
      {R"({"instruction": " ", "output": "a"})", "a question is empty"},
      {R"({"instruction": "q", "output": ""})", "an answer is empty"},
      {R"({"instruction": "q", "output": "a", "history": [["x"]]})", "an entry of history is not a pair of question and answer"},
      {R"({"conversations": []})", "no message"},
      {R"({"conversations": [{"from": "robot", "value": "q"}]})", "a message's from is none that is known"},
      {R"({"conversations": [{"from": "human", "value": "q"}, {"from": "system", "value": "s"}]})", "the last message has no answer"},
      {R"({"messages": [{"role": "user"}]})", "content is absent, not text"},
      {R"({"conversations": [{"from": "function_call", "value": "[]"}]})", "a list of no function calls"},
      {R"({"conversations": [{"from": "function_call", "value": "x"}]})", "a function call's contents are not valid JSON"},
      {R"({"conversations": [{"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": [1]}"}]})", "a function call's arguments are no object"},
      {R"({"conversations": [{"from": "human", "value": "q"}], "tools": "no list"})", "tools are no JSON list"},
      {R"({"chat": {"turn_1": {"Human": "q"}}})", "no MOSS"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", "a part of content is not text"},
      {"{\"instruction\": \"\\udc00\", \"output\": \"a\"}", "not valid JSON"},
      {"{", "not valid JSON"}};
  for (const auto& [json, reason] : cases) EXPECT_EQ(handled(json).reason, reason) << json;
  EXPECT_EQ(handled(R"({"conversations": [{"from": "robot", "value": "q"}]})").detail, "\"robot\"");
}

TEST(RecordHandler, AnAbsentQuestionIsNamed) {
  const MapKeys keys({{"prompt", "problem"}, {"response", "solution"}});
  EXPECT_EQ(handled(R"({"solution": "a"})", "auto", keys).reason, "no problem");
  EXPECT_EQ(handled(R"({"problem": "", "solution": "a"})", "auto", keys).reason, "a question is empty");
  EXPECT_EQ(handled(R"({"output": "a"})").reason, "no instruction");
}

TEST(RecordHandler, RefusesAnUnknownNameWithTheNearest) {
  const auto message = error_of<ConfigError>([] { make_record_handler("MOSSMultiTurnHandlr", {}); });
  EXPECT_EQ(message, "handler_name: found MOSSMultiTurnHandlr, wanted perhaps MOSSMultiTurnHandler");
  EXPECT_NE(error_of<ConfigError>([] { make_record_handler("GeneralPretrainHandler", {}); }).find("stage pt"), std::string::npos);
}

TEST(MapKeys, RefusesWhatIsNoKey) {
  EXPECT_EQ(error_of<ConfigError>([] { MapKeys(MapKeys::Names{{"promt", "x"}}); }), "map_keys: unknown key promt, did you mean prompt?");
  EXPECT_THROW(MapKeys(MapKeys::Names{{"prompt", ""}}), ConfigError);
  EXPECT_THROW(MapKeys(MapKeys::Names{{"prompt", "a"}, {"messages", "b"}}), ConfigError);
}

}  // namespace
}  // namespace ingot::data
