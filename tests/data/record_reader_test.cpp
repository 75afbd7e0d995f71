#include "data/files/record_reader.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/files/file_format.h"
#include "test_files.h"

namespace ingot::data {
namespace {

TEST(FileFormat, EndingsAreKnownInAnyCaseAndBehindCompression) {
  EXPECT_EQ(file_kind("a/b.JSONL.GZ")->format, FileFormat::kJsonLines);
  EXPECT_EQ(file_kind("a/b.JSONL.GZ")->compression, Compression::kGzip);
  EXPECT_EQ(file_kind("train-00000-of-00002.parquet")->format, FileFormat::kParquet);
  EXPECT_EQ(file_kind("x.feather")->format, FileFormat::kArrow);
  EXPECT_FALSE(file_kind("model.safetensors"));
  EXPECT_FALSE(file_kind("jsonl"));
}

TEST(RecordReader, FolderGivesItsDataFilesSortedAndNothingElse) {
  const ScratchFolder folder;
  for (const char* name : {"b.jsonl", "a/z.txt", "README.md", ".hidden.jsonl", ".git/x.json", "dataset_info.json",
                           "out_text_document.ledger.json", "c.csv.gz"})
    folder.write(name, "x");
  const auto files = list_data_files(folder.path());
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files[0], folder / "a/z.txt");
  EXPECT_EQ(files[1], folder / "b.jsonl");
  EXPECT_EQ(files[2], folder / "c.csv.gz");
}

TEST(RecordReader, MissingEmptyAndUnknownPathsAreNamed) {
  const ScratchFolder folder;
  const auto odd = folder.write("sub/odd.bin", "x");
  const auto refusal_of = [](const std::filesystem::path& path) {
    return error_of<DataError>([&] { list_data_files(path); });
  };
  EXPECT_NE(refusal_of(folder / "none").find("none: no such file"), std::string::npos);
  EXPECT_NE(refusal_of(odd).find("unknown ending"), std::string::npos);
  EXPECT_NE(refusal_of(odd.parent_path()).find("no data file"), std::string::npos);
}

TEST(RecordReader, TextFileIsOneDocument) {
  const ScratchFolder folder;
  const std::string text(3'000'000, 'a');
  const auto records = read_all(folder.write("a.txt", text));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].text, text);
  EXPECT_EQ(read_all(folder.write("bom.txt", "\xEF\xBB\xBFhi\n"))[0].text, "hi\n");
  EXPECT_EQ(read_all(folder.write("bad.txt", "hi\xFF"))[0].problem, "invalid UTF-8");
  EXPECT_EQ(read_all(folder.write("empty.txt", ""))[0].text, "");
}

TEST(RecordReader, TextOverTheLimitIsARecordsProblem) {
  const ScratchFolder folder;
  const auto file = folder.write("big.txt", "");
  std::filesystem::resize_file(file, (size_t{257} << 20));
  EXPECT_EQ(read_all(file)[0].problem, "longer than 256 MiB");
}

TEST(RecordReader, CompressedContainerIsRefused) {
  const ScratchFolder folder;
  const auto file = folder.write("a.parquet.gz", "x");
  EXPECT_NE(error_of<DataError>([&] { read_all(file); }).find("unpack it first"), std::string::npos);
}

TEST(RecordReader, FolderInPlaceOfAFileIsRefused) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "a.jsonl");
  std::filesystem::create_directory(folder / "a.parquet");
  EXPECT_NE(error_of<DataError>([&] { read_all(folder / "a.jsonl"); }).find("not a regular file"), std::string::npos);
  EXPECT_NE(error_of<DataError>([&] { read_all(folder / "a.parquet"); }).find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace ingot::data
