#include "data/files/json_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include <random>

#include "core/error.h"
#include "core/json.h"
#include "data/files/byte_window.h"
#include "test_files.h"

namespace ingot::data {
namespace {

std::vector<TextRecord> read_lines(const std::string& lines) {
  const ScratchFolder folder;
  return read_all(folder.write("a.jsonl", lines));
}

std::string problem_of(const std::string& line) {
  const auto records = read_lines("{\"text\": \"sound\"}\n" + line + "\n");
  EXPECT_EQ(records.size(), 2u) << line;
  EXPECT_TRUE(records.at(1).text.empty()) << line;
  return records.at(1).problem;
}

TEST(JsonLines, RowsAreLineNumbersAndBlankLinesHoldNone) {
  const auto records = read_lines("{\"text\":\"a\"}\r\n\n  \t\n{\"id\":1,\"text\":\"b\\n\\u00e9\\ud83d\\ude00\"}");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].row, 1u);
  EXPECT_EQ(records[0].text, "a");
  EXPECT_EQ(records[1].row, 4u);
  EXPECT_EQ(records[1].text, "b\n\xC3\xA9\xF0\x9F\x98\x80");
}

TEST(JsonLines, EveryKindOfBadRecordIsAProblem) {
  EXPECT_EQ(problem_of(R"({"text": null})"), "column text is null");
  EXPECT_EQ(problem_of(R"({"text": ["a"]})"), "column text is an array");
  EXPECT_EQ(problem_of(R"({"text": 1.5})"), "column text is a number");
  EXPECT_EQ(problem_of(R"({"body": "a"})"), "no column text");
  EXPECT_EQ(problem_of(R"("a")"), "record is a string, not an object");
  EXPECT_EQ(problem_of("{\"text\": \"\xFF\"}"), "invalid UTF-8");
  EXPECT_EQ(problem_of(R"({"text": "\ud800"})"), "JSON string with a bad escape or a lone surrogate");
  EXPECT_EQ(problem_of(R"({"text": "\udc00x"})"), "JSON string with a bad escape or a lone surrogate");
  EXPECT_EQ(problem_of(R"({"text": "a)"), "not valid JSON: a string is not closed");
  EXPECT_EQ(problem_of("{\"x\": " + std::string(5000, '[') + std::string(5000, ']') + "}"),
            "JSON nested deeper than 256 levels");
}

TEST(JsonLines, DamageBesideTheColumnIsFound) {
  for (const char* line : {R"({"text": "a")", R"({"text": "a"} x)", R"({"text": "a"}})", R"({"text": "a", "b": tru})",
                           R"({"text": "a", "b": 01})", R"({"text": "a", "b": [1 2]})", R"({"text": "a", "b": {"c"}})",
                           R"({"b": "\q", "text": "a"})", R"({"text": "a",})", R"({"text": "a" "b": 1})", "{", "}",
                           R"({"text": "a", "b": NaN})", R"({"text": "a", "b": nul})", R"(['text'])"})
    EXPECT_FALSE(problem_of(line).empty()) << line;
}

TEST(JsonLines, LastOfTwoEqualKeysCounts) {
  const auto records = read_lines(R"({"text": "a", "text": "b"})");
  EXPECT_EQ(records.at(0).text, "b");
}

TEST(JsonLines, AgreesWithAnotherParserOnMutatedLines) {
  std::mt19937 random(3);
  const std::string line =
      R"({"id": -1.5e3, "tags": ["a", null, {"b": true}], "text": "x\u00e9\n\\ \"q\"", "n": false})";
  std::string lines = "{\"text\": \"\"}\n";
  std::vector<Json> parsed;
  for (int round = 0; round < 3000; ++round) {
    std::string mutated = line;
    for (uint32_t edits = 1 + random() % 2; edits > 0; --edits) {
      const size_t at = random() % mutated.size();
      if (random() % 2) mutated.erase(at, 1);
      else mutated[at] = "{}[],:\"\\ntu0e- x"[random() % 16];
    }
    parsed.push_back(Json::parse(mutated, nullptr, false));
    lines += mutated + "\n";
  }
  const auto records = read_lines(lines);
  ASSERT_EQ(records.size(), parsed.size() + 1);
  for (size_t i = 0; i < parsed.size(); ++i) {
    const bool sound = parsed[i].is_object() && parsed[i].contains("text") && parsed[i]["text"].is_string();
    ASSERT_EQ(records[i + 1].problem.empty(), sound) << "line " << i + 2 << " " << records[i + 1].problem;
    ASSERT_EQ(records[i + 1].text, sound ? parsed[i]["text"].get<std::string>() : "") << "line " << i + 2;
  }
}

TEST(JsonLines, ColumnInNoRecordIsRefusedWithTheKeysPresent) {
  const std::string message = error_of<DataError>([] { read_lines("{\"body\":\"a\",\"id\":1}\n{\"body\":\"b\"}\n"); });
  EXPECT_NE(message.find("no column text, its objects have: body, id"), std::string::npos) << message;
}

TEST(JsonLines, LinesOfAllSizesComeThroughTheWindow) {
  const ScratchFolder folder;
  std::mt19937 random(11);
  std::string lines;
  std::vector<std::string> texts;
  for (int i = 0; i < 60; ++i) {
    texts.emplace_back(random() % (i % 10 == 0 ? 3'000'000 : 3000), static_cast<char>('a' + i % 26));
    lines += "{\"text\":\"" + texts.back() + "\"}\n";
  }
  for (const auto& file : {folder.write("a.jsonl", lines), folder.write("a.jsonl.gz", gzipped(lines))}) {
    const auto records = read_all(file);
    ASSERT_EQ(records.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) ASSERT_TRUE(records[i].text == texts[i] && records[i].row == i + 1) << i;
  }
}

TEST(JsonLines, LineOverTheLimitIsPassedOverAndTheRestGoesOn) {
  const ScratchFolder folder;
  const auto file = folder.write("a.jsonl", "{\"text\":\"a\"}\n");
  std::filesystem::resize_file(file, size_t{1} << 30);  // a sparse line of zero bytes
  std::ofstream(file, std::ios::app) << "\n{\"text\":\"b\"}\n";
  const auto records = read_all(file);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].text, "a");
  EXPECT_EQ(records[1].problem, kTooLong);
  EXPECT_EQ(records[2].text, "b");
  EXPECT_EQ(records[2].row, 3u);
}

TEST(JsonArray, ElementOverTheLimitIsPassedOverAndTheRestGoesOn) {
  const ScratchFolder folder;
  const auto file = folder.write("a.json", R"([{"text":"a"},)");
  std::filesystem::resize_file(file, size_t{300} << 20);
  std::ofstream(file, std::ios::app) << R"(,{"text":"b"}])";
  const auto records = read_all(file);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].problem, kTooLong);
  EXPECT_EQ(records[2].text, "b");
}

TEST(JsonLines, LinesMayEndInCarriageReturnsAlone) {
  const ScratchFolder folder;
  const auto records = read_all(folder.write("a.jsonl", "{\"text\":\"a\"}\r{\"text\":\"b\"}\r\n\r{\"text\":\"c\"}"));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[2].text, "c");
  EXPECT_EQ(records[2].row, 4u);
}

TEST(JsonLines, NumbersOfAnySizeAreSound) {
  const ScratchFolder folder;
  for (const char* number : {"18446744073709551616", "-9223372036854775809", "123456789012345678901234567890", "1e400", "-0.0", "1E+2", "0", "1e-999"})
    EXPECT_EQ(read_all(folder.write("a.jsonl", fmt::format(R"({{"n":{0},"l":[{0}],"text":"a"}})", number)))[0].text, "a") << number;
  for (const char* number : {"NaN", "-Infinity", "01", "1.", ".5", "+1", "1e", "0x10", "-", "1_000"})
    EXPECT_NE(read_all(folder.write("a.jsonl", fmt::format(R"({{"n":{0},"text":"a"}})", number)))[0].problem, "") << number;
}

TEST(JsonLines, ANestOfBracketsIsOneRecordsProblem) {
  const ScratchFolder folder;
  const std::string nest = "{\"x\":" + std::string(100'000, '[') + std::string(100'000, ']') + ",\"text\":\"a\"}\n";
  const auto records = read_all(folder.write("a.jsonl", nest + "{\"text\":\"b\"}\n"));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_NE(records[0].problem, "");
  EXPECT_EQ(records[1].text, "b");
}

TEST(JsonArray, ElementsAreStreamedWithTheirNumbers) {
  const ScratchFolder folder;
  const std::string first = R"({"text": "a],[\"}", "x": [1, {"y": 2}]})";
  const auto records = read_all(folder.write("a.json", " [\n " + first + ",\n null, {\"text\":\"b\"}\n]\n"));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].text, "a],[\"}");
  EXPECT_EQ(records[1].problem, "record is null, not an object");
  EXPECT_EQ(records[2].text, "b");
  EXPECT_EQ(records[2].row, 3u);
  for (const char* nothing : {"[ ]", "", " \n"}) EXPECT_TRUE(read_all(folder.write("b.json", nothing)).empty());
}

TEST(JsonArray, DamagedElementIsAProblemAndDamagedArrayAnError) {
  const ScratchFolder folder;
  const auto records = read_all(folder.write("a.json", R"([{"text":"a"},,{"text" "b"},{"text":"c"}{},])"));
  ASSERT_EQ(records.size(), 5u);
  for (size_t i = 1; i < 5; ++i) EXPECT_FALSE(records[i].problem.empty()) << i;
  for (const char* text :
       {R"([{"text":"a"})", R"([{"text":"a"},)", R"([{"text":"a)", "[", R"([{"text":"a"}] x)", "7"})
    EXPECT_FALSE(error_of<DataError>([&] { read_all(folder.write("b.json", text)); }).empty()) << text;
}

TEST(JsonArray, FileOfObjectsIsReadAsLinesAndAnObjectOverLinesRefused) {
  const ScratchFolder folder;
  EXPECT_EQ(read_all(folder.write("a.json", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n")).size(), 2u);
  const auto columns = folder.write("b.json", "{\n \"text\": [\"a\", \"b\"]\n}\n");
  EXPECT_NE(error_of<DataError>([&] { read_all(columns); }).find("wanted an array of objects"), std::string::npos);
}

}  // namespace
}  // namespace ingot::data
