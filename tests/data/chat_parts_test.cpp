#include <gtest/gtest.h>

#include "core/error.h"
#include "data/chat/chat_family.h"
#include "data/chat/format_parts.h"
#include "data/chat/tool_json.h"
#include "data/test_files.h"

namespace ingot::data {
namespace {

using Kind = FormatPart::Kind;

TEST(FormatParts, AreCutAtPlaceholdersAndTokens) {
  const std::vector<FormatPart> wanted = {{Kind::kBos, ""}, {Kind::kMaybeToken, "<|user|>"}, {Kind::kText, "\na < b "},
                                          {Kind::kContent, ""}, {Kind::kToken, "sop"}, {Kind::kMaybeToken, "[INST]"},
                                          {Kind::kText, "{x}"}, {Kind::kEos, ""}};
  EXPECT_EQ(parse_format("{bos}<|user|>\na < b {content}{token:sop}[INST]{x}{eos}"), wanted);
  EXPECT_TRUE(parse_format("").empty());
}

TEST(FormatParts, OpenBracketsAreText) {
  for (const char* text : {"<", "<>", "[", "{token:x", "<a b>", "{"})
    EXPECT_EQ(parse_format(text), (std::vector<FormatPart>{{Kind::kText, text}})) << text;
}

TEST(PythonJson, IsWrittenAsPythonDoes) {
  const Json value = Json::parse(R"({"a":[1,2.0,1e16,1e-7,0.1,null,true],"b":{},"c":[],"d":"é\"\n\u0001"})");
  EXPECT_EQ(python_json(value), R"({"a": [1, 2.0, 1e+16, 1e-07, 0.1, null, true], "b": {}, "c": [], "d": "é\"\n\u0001"})");
  EXPECT_EQ(python_json(Json::parse(R"({"a":[1,{"b":2}],"c":[]})"), 4),
            "{\n    \"a\": [\n        1,\n        {\n            \"b\": 2\n        }\n    ],\n    \"c\": []\n}");
}

TEST(ToolCalls, AreOneOrAListAndTheirArgumentsAnObjectOrItsText) {
  const auto calls = read_tool_calls(R"([{"name": "f", "arguments": "{\"x\": 1}"}, {"name": "g", "arguments": {}}])", "t");
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].arguments, Json::parse(R"({"x": 1})"));
  EXPECT_EQ(read_tool_calls(R"({"name": "f", "arguments": {}})", "t").at(0).name, "f");
  for (const char* bad : {"", "x", "[]", "3", R"({"name": 1, "arguments": {}})", R"({"name": "f"})",
                          R"({"name": "f", "arguments": [1]})", R"({"name": "f", "arguments": "no"})"})
    EXPECT_NE(error_of<DataError>([&] { read_tool_calls(bad, "t"); }), "") << bad;
}

TEST(Stripped, TakesWhatPythonTakes) {
  EXPECT_EQ(stripped(" \n\x1C\xC2\xA0\xE3\x80\x80 a b\t\r\n"), "a b");
  EXPECT_EQ(stripped("\xE2\x80\x8B" "a\xEF\xBB\xBF"), "\xE2\x80\x8B" "a\xEF\xBB\xBF");  // zero-width characters stay
  EXPECT_EQ(stripped(" \n"), "");
  EXPECT_EQ(stripped("a\xFF "), "a\xFF ");
}

}  // namespace
}  // namespace ingot::data
