#include "data/files/byte_source.h"

#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "test_files.h"

namespace ingot::data {
namespace {

std::string read_bytes(const std::filesystem::path& file, size_t piece) {
  const auto source = open_byte_source(file, file_kind(file)->compression);
  std::string all, buffer(piece, '\0');
  while (const size_t got = source->read(buffer.data(), piece)) all.append(buffer, 0, got);
  EXPECT_EQ(source->bytes_read(), std::filesystem::file_size(file));
  return all;
}

std::string random_text(size_t size) {
  std::mt19937 random(7);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>('a' + random() % 20);
  return text;
}

TEST(ByteSource, PlainGzipAndZstdGiveTheSameBytesWhateverThePieces) {
  const ScratchFolder folder;
  const std::string text = random_text(1'000'000);
  const auto plain = folder.write("a.txt", text), gzip = folder.write("a.txt.gz", gzipped(text)),
             zstd = folder.write("a.txt.zst", zstd_packed(text));
  for (const size_t piece : {size_t{977}, size_t{65536}, size_t{4} << 20})
    for (const auto& file : {plain, gzip, zstd}) EXPECT_TRUE(read_bytes(file, piece) == text) << file << piece;
}

TEST(ByteSource, SeveralMembersAndFramesAreJoined) {
  const ScratchFolder folder;
  const auto gzip = folder.write("a.txt.gz", gzipped("one ") + gzipped("") + gzipped("two ") + gzipped("three"));
  const auto zstd = folder.write("a.txt.zst", zstd_packed("one ") + zstd_packed("") + zstd_packed("two three"));
  EXPECT_EQ(read_bytes(gzip, 100), "one two three");
  EXPECT_EQ(read_bytes(zstd, 100), "one two three");
}

TEST(ByteSource, ZeroBytesBehindGzipArePadding) {
  const ScratchFolder folder;
  EXPECT_EQ(read_bytes(folder.write("a.txt.gz", gzipped("text") + std::string(1000, '\0')), 100), "text");
}

TEST(ByteSource, EveryTruncationIsRefused) {
  const ScratchFolder folder;
  const std::string text = random_text(5000);
  for (const auto& [name, packed] : {std::pair{"a.txt.gz", gzipped(text)}, std::pair{"a.txt.zst", zstd_packed(text)}})
    for (size_t size = 0; size < packed.size(); size += 1 + size / 8) {
      const auto file = folder.write(name, packed.substr(0, size));
      EXPECT_NE(error_of<DataError>([&] { read_bytes(file, 100); }).find("ends early"), std::string::npos) << size;
    }
}

TEST(ByteSource, DamageIsRefusedAndNamed) {
  const ScratchFolder folder;
  std::string gzip = gzipped(random_text(5000));
  gzip[gzip.size() - 6] = static_cast<char>(gzip[gzip.size() - 6] ^ 1);  // of the CRC
  const std::string message = error_of<DataError>([&] { read_bytes(folder.write("a.txt.gz", gzip), 100); });
  EXPECT_NE(message.find("a.txt.gz: gzip stream is damaged"), std::string::npos) << message;
  const auto garbage = folder.write("b.txt.gz", gzipped("text") + "garbage");
  EXPECT_NE(error_of<DataError>([&] { read_bytes(garbage, 100); }).find("damaged"), std::string::npos);
  const auto zstd = folder.write("c.txt.zst", "this is not Zstandard");
  EXPECT_NE(error_of<DataError>([&] { read_bytes(zstd, 100); }).find("damaged"), std::string::npos);
}

}  // namespace
}  // namespace ingot::data
