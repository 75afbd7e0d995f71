#include "data/files/raw_rows.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "core/error.h"
#include "core/json.h"
#include "places.h"
#include "test_files.h"

namespace ingot::data {
namespace {

std::string rows_of(const std::filesystem::path& file, uint64_t limit = 1000) {
  std::ostringstream out;
  print_raw_rows(file, limit, out);
  return out.str();
}

TEST(RawRows, TextFormatsAreShownAsObjects) {
  const ScratchFolder folder;
  EXPECT_EQ(rows_of(folder.write("a.csv", "id,a \"b\"\n1,\"x\ny\"\n")), "{\"id\":\"1\",\"a \\\"b\\\"\":\"x\\ny\"}\n");
  EXPECT_EQ(rows_of(folder.write("a.jsonl", "{\"a\":1}\n\n{\"b\":[2]}")), "{\"a\":1}\n{\"b\":[2]}\n");
  EXPECT_EQ(rows_of(folder.write("a.json", "[{\"a\":\n1},\n{\"b\":2}]")), "{\"a\": 1}\n{\"b\":2}\n");
  EXPECT_EQ(rows_of(folder.write("a.txt", "one\ntwo")), "{\"text\":\"one\\ntwo\"}\n");
}

TEST(RawRows, NoMoreThanTheLimitAreShown) {
  const ScratchFolder folder;
  EXPECT_EQ(rows_of(folder.write("a.jsonl", "{\"a\":1}\n{\"a\":2}\nbroken\n"), 2), "{\"a\":1}\n{\"a\":2}\n");
}

TEST(RawRows, UnsoundRowIsAnErrorWithItsNumber) {
  const ScratchFolder folder;
  const auto json = folder.write("a.jsonl", "{\"a\":1}\n{\"a\":}\n"), csv = folder.write("a.csv", "a,b\n1\n");
  const auto text = folder.write("a.txt", "\xFF");
  EXPECT_NE(error_of<DataError>([&] { rows_of(json); }).find("a.jsonl: row 2: not valid JSON"), std::string::npos);
  EXPECT_NE(error_of<DataError>([&] { rows_of(csv); }).find("row 2: fewer fields than the first row has"), std::string::npos);
  EXPECT_NE(error_of<DataError>([&] { rows_of(text); }).find("invalid UTF-8"), std::string::npos);
}

/// Flips up to three bits, or cuts the file.
std::string damaged(std::string bytes, std::mt19937& random) {
  if (random() % 4 == 0) bytes.resize(random() % bytes.size());
  for (uint32_t flips = 1 + random() % 3; flips > 0 && !bytes.empty(); --flips)
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
  return bytes;
}

TEST(RawRows, DamagedParquetGivesRowsOrOneLineAndNeverCrashes) {
  const std::filesystem::path source = shared_folder() / "data/parquet-testing";
  if (!std::filesystem::is_directory(source)) GTEST_SKIP() << "no folder shared/ beside the checkout";
  const ScratchFolder folder;
  std::mt19937 random(13);
  int refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source)) {
    if (entry.path().extension() != ".parquet" || entry.file_size() > 5000) continue;
    if (entry.path().stem() == "large_string_map.brotli") continue;  // takes seconds
    const std::string sound = read_file(entry.path());
    for (int round = 0; round < 25; ++round) {
      const auto file = folder.write("a.parquet", damaged(sound, random));
      try {
        std::istringstream lines(rows_of(file, 50));
        for (std::string line; std::getline(lines, line);) ASSERT_TRUE(Json::accept(line)) << entry.path() << line;
      } catch (const DataError& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace ingot::data
