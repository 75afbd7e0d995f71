#include "data/files/arrow_text.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "places.h"
#include "test_files.h"

namespace ingot::data {
namespace {

/// Real Parquet files, some beside the same rows as JSON lines.
class ArrowText : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_directory(data_)) GTEST_SKIP() << "no folder shared/ beside the checkout";
  }
  std::vector<std::string> texts(const std::string& file, const std::string& column = "text") const {
    std::vector<std::string> found;
    for (const auto& record : read_all(data_ / file, column)) found.push_back(record.problem + record.text);
    return found;
  }
  std::filesystem::path data_ = shared_folder() / "data";
};

TEST_F(ArrowText, ParquetEqualsTheJsonLinesItWasMadeFrom) {
  EXPECT_EQ(texts("pretrain/parquet/tinystories.snappy.parquet"), texts("pretrain/tinystories.jsonl"));
  EXPECT_EQ(texts("pretrain/parquet/xiyouji_zh.gzip.parquet", "content"), texts("pretrain/xiyouji_zh.jsonl"));
  auto shards = texts("pretrain/parquet/c4_en-00000-of-00002.parquet");
  for (const auto& text : texts("pretrain/parquet/c4_en-00001-of-00002.parquet")) shards.push_back(text);
  EXPECT_EQ(shards, texts("pretrain/c4_en.jsonl"));
}

TEST_F(ArrowText, RowsAreNumberedThroughAllRowGroups) {
  const auto records = read_all(data_ / "pretrain/parquet/wikitext2.valid.uncompressed.parquet");
  ASSERT_EQ(records.size(), 3760u);
  for (size_t i = 0; i < records.size(); ++i) ASSERT_EQ(records[i].row, i + 1);
}

TEST_F(ArrowText, MissingColumnAndOtherTypesAreNamed) {
  const auto message = [&](const char* file, const char* column) {
    return error_of<DataError>([&] { open_parquet_text(data_ / file, column); });
  };
  EXPECT_NE(message("pretrain/parquet/xiyouji_zh.gzip.parquet", "text").find("no column text, it has: title, content"),
            std::string::npos);
  EXPECT_NE(message("pretrain/parquet/xiyouji_zh.gzip.parquet", "n_chars").find("column n_chars is int"),
            std::string::npos);
  EXPECT_NE(message("sft/parquet/sharegpt_zh.nested.zstd.parquet", "conversations").find("wanted text"),
            std::string::npos);
}

TEST_F(ArrowText, NullsAreProblemsAndBytesThatAreUtf8AreText) {
  const auto records = read_all(data_ / "parquet-testing/delta_byte_array.parquet", "c_login");
  ASSERT_EQ(records.size(), 1000u);
  EXPECT_EQ(records[0].problem, "column c_login is null");
  EXPECT_EQ(read_all(data_ / "parquet-testing/alltypes_plain.parquet", "date_string_col").at(0).text, "03/01/09");
}

TEST_F(ArrowText, CorruptPageIsAnError) {
  const auto file = data_ / "parquet-testing/rle-dict-uncompressed-corrupt-checksum.parquet";
  EXPECT_NE(error_of<DataError>([&] { read_all(file, "binary_field"); }).find("CRC checksum"), std::string::npos);
}

TEST(ArrowFile, GarbageIsRefused) {
  const ScratchFolder folder;
  for (const char* name : {"a.parquet", "a.arrow", "a.feather"})
    for (const char* text : {"", "PAR1", "ARROW1", "FEA1xx", "ARROW1\0\0 some bytes that are no footer ARROW1"}) {
      const auto file = folder.write(name, text);
      EXPECT_NE(error_of<DataError>([&] { read_all(file); }).find(name), std::string::npos) << name << text;
    }
}

}  // namespace
}  // namespace ingot::data
