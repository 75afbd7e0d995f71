#include "data/files/csv_reader.h"

#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "test_files.h"

namespace ingot::data {
namespace {

std::string csv_quoted(const std::string& field) {
  std::string out = "\"";
  for (const char c : field) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

TEST(CsvReader, QuotedFieldsHoldSeparatorsQuotesAndLineEnds) {
  const ScratchFolder folder;
  const auto records =
      read_all(folder.write("a.csv", "id,text\r\n1,\"a,\"\"b\"\"\nc\"\r\n\r\n2,plain \"inner\" text\r\n3,"));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].text, "a,\"b\"\nc");
  EXPECT_EQ(records[0].row, 2u);
  EXPECT_EQ(records[1].text, "plain \"inner\" text");
  EXPECT_EQ(records[1].row, 5u);
  EXPECT_EQ(records[2].text, "");
}

TEST(CsvReader, TabSeparatedFileKeepsCommas) {
  const ScratchFolder folder;
  EXPECT_EQ(read_all(folder.write("a.tsv", "text\tid\na,b\t1\n")).at(0).text, "a,b");
}

TEST(CsvReader, RowsOfAnotherWidthAreProblems) {
  const ScratchFolder folder;
  const auto records = read_all(folder.write("a.csv", "text,id\na\na,1,2\n\"a\"b,1\n\xFF,1\nok,1\n"));
  ASSERT_EQ(records.size(), 5u);
  EXPECT_EQ(records[0].problem, "fewer fields than the first row has");
  EXPECT_EQ(records[1].problem, "more fields than the first row has");
  EXPECT_EQ(records[2].problem, "text behind a closing quote");
  EXPECT_EQ(records[3].problem, "invalid UTF-8");
  EXPECT_EQ(records[4].text, "ok");
}

TEST(CsvReader, MissingColumnAndOpenQuoteAreErrors) {
  const ScratchFolder folder;
  const auto other = folder.write("a.csv", "id,body\n1,a\n"), open = folder.write("b.csv", "text\na\n\"b\nc\n");
  EXPECT_NE(error_of<DataError>([&] { read_all(other); }).find("no column text, its first row has: id, body"),
            std::string::npos);
  EXPECT_NE(error_of<DataError>([&] { read_all(open); }).find("ends inside quotes, row at line 3"), std::string::npos);
}

TEST(CsvReader, RandomTablesComeBack) {
  const ScratchFolder folder;
  std::mt19937 random(5);
  std::string file = "a,text,b\n";
  std::vector<std::string> texts;
  for (int row = 0; row < 500; ++row) {
    std::string text;
    for (uint32_t n = random() % 40; n > 0; --n) text += "ab,\"\n\r\t "[random() % 8];
    texts.push_back(text);
    file += "x," + csv_quoted(text) + "," + csv_quoted("y\n") + (row % 2 ? "\n" : "\r\n");
  }
  const auto records = read_all(folder.write("a.csv", file));
  ASSERT_EQ(records.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_EQ(records[i].text, texts[i]) << i;
}

}  // namespace
}  // namespace ingot::data
