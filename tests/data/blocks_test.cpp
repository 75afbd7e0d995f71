#include "data/shards/blocks.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "data/files/line_source.h"
#include "data/files/raw_rows.h"
#include "test_files.h"

namespace ingot::data {
namespace {

std::string text_of(const FilePart& part) {
  const auto source = open_lines(part);
  std::string text(1 << 16, '\0');
  size_t held = 0;
  for (size_t got = 1; got > 0; held += got) got = source->read(text.data() + held, 7);
  return text.substr(0, held);
}

TEST(LineSource, ALineBeginsBehindEveryKindOfEnd) {
  const std::string text = "ab\ncd\r\n\re\r";
  const std::vector<uint64_t> wanted{0, 3, 3, 3, 7, 7, 7, 7, 8, 10, 10};
  for (uint64_t at = 0; at < wanted.size(); ++at) EXPECT_EQ(line_start(text, at), wanted[at]) << at;
  EXPECT_EQ(line_start("no end", 3), 6u);
}

TEST(LineSource, PartsOfAnyLengthGiveEveryByteOnce) {
  const ScratchFolder folder;
  for (const std::string text : {"a\n\nbb\r\nccc\rdddd\r\n\r\n\n\ne", "\n", "\r\r\n", "one line alone", ""}) {
    const auto file = folder.write("a.jsonl", text);
    for (uint64_t length = 1; length <= text.size() + 1; ++length) {
      std::string all;
      for (uint64_t begin = 0; begin < text.size(); begin += length) all += text_of({file, begin, begin + length});
      EXPECT_EQ(all, text) << length;
    }
  }
}

/// A line that is 2,048 parts long takes a pass over it, not one a part: of 64 MiB that is a second instead of minutes.
TEST(LineSource, PartsWithinALongLineDoNotReadTheRestOfIt) {
  const ScratchFolder folder;
  const uint64_t size = uint64_t{64} << 20, length = size / 2048;
  const auto file = folder.write("a.jsonl", std::string(size - 1, 'x') + "\n");
  const auto start = std::chrono::steady_clock::now();
  uint64_t read = 0;
  for (uint64_t begin = 0; begin < size; begin += length) {
    const auto source = open_lines({file, begin, begin + length});
    std::string text(1 << 20, '\0');
    for (size_t got = 1; got > 0; read += got) got = source->read(text.data(), text.size());
  }
  EXPECT_EQ(read, size);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(FilePart, RowsOfPartsAreThoseOfTheFile) {
  const ScratchFolder folder;
  std::string lines = "\xEF\xBB\xBF";
  for (int i = 0; i < 40; ++i) lines += "{\"text\":\"" + std::string(i, 'x') + "\"}" + (i % 3 ? "\n" : "\r\n\n");
  const auto file = folder.write("a.jsonl", lines);
  const auto whole = read_all(file);
  for (const uint64_t size : {1, 5, 17, 100, 1000, 100000}) {
    std::vector<TextRecord> all;
    for (const auto& cut : cut_file(file, lines.size(), size)) {
      const FilePart part(file, cut.begin, cut.end);
      const auto reader = open_text_reader(part, "text");
      for (std::vector<TextRecord> batch; reader->next(batch);)
        for (auto& record : batch) record.row += rows_before(part), all.push_back(record);
    }
    ASSERT_EQ(all.size(), whole.size());
    for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(all[i].row == whole[i].row && all[i].text == whole[i].text) << size << " " << i;
  }
}

TEST(FilePart, AByteOrderMarkInsideAFileIsNoMark) {
  const ScratchFolder folder;
  const auto file = folder.write("a.jsonl", "{}\n\xEF\xBB\xBF{\"text\":\"a\"}\n");
  const auto reader = open_text_reader({file, 3, 100}, "text");
  std::vector<TextRecord> batch;
  ASSERT_TRUE(reader->next(batch));
  EXPECT_EQ(batch.at(0).problem, "not valid JSON");
}

TEST(FilePart, OnlyPlainLinesAreCut) {
  const ScratchFolder folder;
  std::string lines, wide = "\xFF\xFE";
  for (int i = 0; i < 100; ++i) lines += "{\"text\":\"a\"}\n";
  for (const char c : lines) wide += c, wide += '\0';
  EXPECT_EQ(cut_file(folder.write("a.jsonl", lines), lines.size(), 100).size(), 13u);
  const std::map<std::string, std::string> others{{"b.jsonl", wide}, {"c.jsonl.gz", gzipped(lines)}, {"d.csv", lines}, {"e.txt", lines}};
  for (const auto& [name, text] : others)
    EXPECT_EQ(cut_file(folder.write(name, text), text.size(), 20).size(), 1u) << name;
}

TEST(Blocks, HoldSmallFilesTogetherAndPartsOfLargeOnes) {
  const ScratchFolder folder;
  std::vector<InputFile> inputs;
  for (const auto& [name, bytes] : std::map<std::string, size_t>{{"a.txt", 40}, {"b.txt", 60}, {"c.txt", 10}, {"d.jsonl", 250}, {"e.txt", 300}, {"f.txt", 0}})
    inputs.push_back({folder.write(name, std::string(bytes, '\n')), bytes, ""});
  const auto blocks = plan_blocks(inputs, 100);
  std::vector<std::vector<size_t>> files;
  std::vector<uint64_t> bytes;
  for (const auto& block : blocks) {
    bytes.push_back(block.bytes());
    files.emplace_back();
    for (const auto& part : block.parts) files.back().push_back(part.file);
  }
  EXPECT_EQ(files, (std::vector<std::vector<size_t>>{{0, 1}, {2, 3}, {3}, {3}, {4}, {5}}));
  EXPECT_EQ(bytes, (std::vector<uint64_t>{100, 93, 83, 84, 300, 0}));
  EXPECT_TRUE(blocks[1].parts[1].begins_file() && !blocks[1].parts[1].ends_file() && blocks[3].parts[0].ends_file());
}

TEST(Blocks, OfAnInputAreSixtyFourOrAsSmallAsIsWorthwhile) {
  const ScratchFolder folder;
  const auto file = folder.write("a.jsonl", std::string(5 << 20, '\n'));
  EXPECT_EQ(plan_blocks({{file, 5 << 20, ""}}).size(), 5u);
  EXPECT_EQ(plan_blocks({{file, uint64_t{1} << 30, ""}}).size(), 64u);
  EXPECT_EQ(plan_blocks({{file, uint64_t{1} << 34, ""}}).size(), 256u);
  EXPECT_EQ(one_block({{file, uint64_t{1} << 34, ""}, {file, 1, ""}}).size(), 1u);
}

}  // namespace
}  // namespace ingot::data
