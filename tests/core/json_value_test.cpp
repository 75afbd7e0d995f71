#include "core/json_value.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace ingot {
namespace {

std::string problem(std::string_view json) {
  try {
    parse_json_value(json, "line");
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(JsonValue, KeepsNumbersAsTheyAreWritten) {
  const auto list = parse_json_value(" [ -0, 1.50,1E+2 , 340282366920938463463374607431768211456, 1e400 ]\n", "line");
  std::vector<std::string> numbers;
  for (const auto& item : list.items) numbers.push_back(item.text);
  EXPECT_EQ(numbers, (std::vector<std::string>{"-0", "1.50", "1E+2", "340282366920938463463374607431768211456", "1e400"}));
}

TEST(JsonValue, KeepsTheOrderOfKeysAndTheLastOfTwoValues) {
  const auto object = parse_json_value(R"({"b": 1, "a": [true, null, {}], "b": 2, "c": "x", "b": 3})", "line");
  EXPECT_EQ(object.keys, (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_EQ(object.find("b")->text, "3");
  EXPECT_EQ(object.find("c")->text, "x");
  EXPECT_EQ(object.find("d"), nullptr);
}

TEST(JsonValue, ReadsEscapes) {
  EXPECT_EQ(parse_json_value(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u4f60\ud83d\ude00\u0000")", "line").text,
            std::string("\"\\/\b\f\n\r\tA\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80") + '\0');
}

TEST(JsonValue, RefusesWhatIsNoJson) {
  for (const char* bad : {"", "{", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "01", "1.", ".5", "+1", "1e", "-", "NaN", "Infinity",
                          "tru", "\"open", "\"\x01\"", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\xFF\"",
                          "\"\xED\xA0\x80\"", "\"\xC0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE4\xBD\"", "1 1", "[1]]"})
    EXPECT_NE(problem(bad).find("line: not valid JSON"), std::string::npos) << bad << problem(bad);
  EXPECT_NE(problem(std::string(100'000, '[')).find("nested deeper than 1024 levels"), std::string::npos);
}

TEST(JsonValue, QuotesTextsAsPythonDoes) { EXPECT_EQ(quoted_json("\"\\\n\x01\x7F\xC3\xA9/"), "\"\\\"\\\\\\n\\u0001\x7F\xC3\xA9/\""); }

}  // namespace
}  // namespace ingot
