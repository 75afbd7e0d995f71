#include <gtest/gtest.h>

#include "core/error.h"
#include "data/chat/chat_family.h"
#include "data/chat/format_parts.h"
#include "data/chat/python_json.h"
#include "data/chat/python_repr.h"
#include "data/test_files.h"

namespace ingot::data {
namespace {

using Kind = FormatPart::Kind;

JsonValue parsed(const std::string& json) { return parse_json_value(json, "test"); }

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
  const JsonValue value = parsed(R"({"a":[1,2.0,1e16,1e-7,0.1,null,true],"b":{},"c":[],"d":"é\"\n\u0001"})");
  EXPECT_EQ(python_json(value), R"({"a": [1, 2.0, 1e+16, 1e-07, 0.1, null, true], "b": {}, "c": [], "d": "é\"\n\u0001"})");
  EXPECT_EQ(python_json(parsed(R"({"a":[1,{"b":2}],"c":[]})"), 4),
            "{\n    \"a\": [\n        1,\n        {\n            \"b\": 2\n        }\n    ],\n    \"c\": []\n}");
}

TEST(PythonJson, KeepsTheDigitsOfNumbers) {
  for (const char* number : {"0", "-9223372036854775809", "18446744073709551615", "340282366920938463463374607431768211456",
                             "0.1234567890123456789", "1e400", "-1E-999", "123456789.123456789123"})
    EXPECT_EQ(python_number(number), number);
  EXPECT_EQ(python_number(std::string(500, '7')), std::string(500, '7'));
}

TEST(PythonJson, SpellsFloatsAsPythonDoes) {
  const std::pair<const char*, const char*> cases[] = {{"-0", "0"}, {"-0.0", "-0.0"}, {"1.50", "1.5"}, {"1E+2", "100.0"}, {"1e15", "1000000000000000.0"},
                                                       {"1e16", "1e+16"}, {"0.0001", "0.0001"}, {"1e-5", "1e-05"}, {"2.50e-10", "2.5e-10"}, {"0e9", "0.0"}};
  for (const auto& [written, python] : cases) EXPECT_EQ(python_number(written), python);
}

TEST(PythonRepr, IsWrittenAsPythonDoes) {
  EXPECT_EQ(python_repr(parsed(R"({"a":[1,1.50,null,true,false],"b":{},"c":"é北\u00a0\u200b\n\u0001\u007f\ue000"})")),
            R"({'a': [1, 1.5, None, True, False], 'b': {}, 'c': 'é北\xa0\u200b\n\x01\x7f\ue000'})");
  const std::pair<const char*, const char*> cases[] = {{R"("it's")", R"("it's")"}, {R"("it's \"so\"")", R"('it\'s "so"')"}, {R"("\\")", R"('\\')"},
                                                       {R"("\ud83d\ude00\udb40\udc01")", "'😀\\U000e0001'"}};
  for (const auto& [json, repr] : cases) EXPECT_EQ(python_repr(parsed(json)), repr);
}

TEST(Stripped, TakesWhatPythonTakes) {
  EXPECT_EQ(stripped(" \n\x1C\xC2\xA0\xE3\x80\x80 a b\t\r\n"), "a b");
  EXPECT_EQ(stripped("\xE2\x80\x8B" "a\xEF\xBB\xBF"), "\xE2\x80\x8B" "a\xEF\xBB\xBF");  // zero-width characters stay
  EXPECT_EQ(stripped(" \n"), "");
  EXPECT_EQ(stripped("a\xFF "), "a\xFF ");
}

}  // namespace
}  // namespace ingot::data
