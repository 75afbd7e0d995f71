#include "data/files/csv_reader.h"

#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "data/files/raw_rows.h"
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

TEST(CsvReader, MissingColumnIsAnErrorAndAnOpenQuoteARowsProblem) {
  const ScratchFolder folder;
  const auto other = folder.write("a.csv", "id,body\n1,a\n"), open = folder.write("b.csv", "text\na\n\"b\nc\n");
  EXPECT_NE(error_of<DataError>([&] { read_all(other); }).find("no column text, its first row has: id, body"),
            std::string::npos);
  const auto records = read_all(open);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].text, "a");
  EXPECT_EQ(records[1].problem, "the file ends inside quotes");
  EXPECT_EQ(records[1].row, 3u);
}

TEST(CsvReader, LinesMayEndInCarriageReturnsAlone) {
  const ScratchFolder folder;
  const auto records = read_all(folder.write("a.csv", "id,text\r1,one line\r\r2,\"two\rlines\"\r\n3,three"));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].text, "one line");
  EXPECT_EQ(records[1].text, "two\rlines");
  EXPECT_EQ(records[2].text, "three");
}

TEST(CsvReader, AColumnThatStandsTwiceIsRefusedInEveryStage) {
  const ScratchFolder folder;
  const auto file = folder.write("a.csv", "text,id,text\na,1,b\n");
  for (const auto& read : {std::function<void()>([&] { read_all(file); }), std::function<void()>([&] { open_json_row_reader(file); })})
    EXPECT_NE(error_of<DataError>(read).find("columns 1 and 3 are both called text"), std::string::npos);
  EXPECT_EQ(read_all(folder.write("b.csv", ",text,\n1,a,2\n"))[0].text, "a") << "columns without a name are none that is wanted";
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
