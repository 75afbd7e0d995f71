#include "data/shards/indexed_dataset.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "core/error.h"
#include "core/sha256.h"
#include "test_files.h"

namespace ingot::data {
namespace {

using Documents = std::vector<std::vector<TokenId>>;

std::string hex(const std::string& bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

IndexedDatasetWriter::Digests write_documents(const std::filesystem::path& prefix, const Documents& documents,
                                              int64_t vocab_size) {
  IndexedDatasetWriter writer(prefix, vocab_size);
  for (const auto& document : documents) writer.add_document(document);
  return writer.finish();
}

TEST(IndexedDataset, BytesAreTheGoldenOnes) {
  const ScratchFolder folder;
  write_documents(folder / "gold", {{1, 2, 3}, {4, 5}}, 100);
  EXPECT_EQ(hex(read_file(folder / "gold.bin")), "01000200030004000500");
  EXPECT_EQ(hex(read_file(folder / "gold.idx")),
            "4d4d49444944580000010000000000000008020000000000000003000000000000000300000002000000000000000000000006"
            "00000000000000000000000000000001000000000000000200000000000000");
}

TEST(IndexedDataset, DigestsAreThoseOfTheFiles) {
  const ScratchFolder folder;
  const auto digests = write_documents(folder / "a", {{1, 2, 3}, {70000}}, 70001);
  const std::string bin = read_file(folder / "a.bin"), idx = read_file(folder / "a.idx");
  EXPECT_EQ(digests.bin.bytes, bin.size());
  EXPECT_EQ(digests.bin.sha256, sha256_hex(std::as_bytes(std::span(bin))));
  EXPECT_EQ(digests.idx.sha256, sha256_hex(std::as_bytes(std::span(idx))));
}

TEST(IndexedDataset, RandomDocumentsComeBack) {
  std::mt19937 random(1);
  for (const int64_t vocab_size : {300, 65499, 65500, 151936}) {
    const ScratchFolder folder;
    Documents documents(1 + random() % 50);
    std::vector<TokenId> stream;
    for (auto& document : documents) {
      for (uint32_t n = random() % 30; n > 0; --n) document.push_back(static_cast<TokenId>(random() % vocab_size));
      stream.insert(stream.end(), document.begin(), document.end());
    }
    write_documents(folder / "a", documents, vocab_size);
    const IndexedDataset data(folder / "a");
    ASSERT_EQ(data.num_documents(), documents.size());
    ASSERT_EQ(data.tokens(0, stream.size() + 9), stream);
    for (size_t i = 0; i < documents.size(); ++i) ASSERT_EQ(data.sequence(i), documents[i]);
    for (uint64_t token = 0; token < stream.size(); ++token) {
      const uint64_t document = data.document_of(token);
      ASSERT_TRUE(data.document_start(document) <= token && token < data.document_start(document + 1));
    }
  }
}

TEST(IndexedDataset, TokenWidthFollowsTheVocabulary) {
  const ScratchFolder folder;
  write_documents(folder / "narrow", {{1}}, 65499);
  write_documents(folder / "wide", {{1}}, 65500);
  EXPECT_EQ(std::filesystem::file_size(folder / "narrow.bin"), 2u);
  EXPECT_EQ(std::filesystem::file_size(folder / "wide.bin"), 4u);
}

TEST(IndexedDataset, TokenOutsideTheVocabularyIsRefused) {
  const ScratchFolder folder;
  IndexedDatasetWriter writer(folder / "a", 100);
  const std::vector<TokenId> large{100}, negative{-1};
  EXPECT_THROW(writer.add_document(large), DataError);
  EXPECT_THROW(writer.add_document(negative), DataError);
}

TEST(IndexedDataset, NothingIsLeftWithoutFinish) {
  const ScratchFolder folder;
  {
    IndexedDatasetWriter writer(folder / "a", 100);
    writer.add_document(std::vector<TokenId>(3'000'000, 7));
  }
  EXPECT_TRUE(folder.names().empty());
}

/// Opens the golden pair with eight bytes of the .idx replaced.
std::string refusal_of(size_t offset, int64_t value, size_t width = 8) {
  const ScratchFolder folder;
  write_documents(folder / "a", {{1, 2, 3}, {4, 5}}, 100);
  std::string idx = read_file(folder / "a.idx");
  std::memcpy(idx.data() + offset, &value, width);
  folder.write("a.idx", idx);
  return error_of<DataError>([&] { const IndexedDataset data(folder / "a"); });
}

TEST(IndexedDataset, HostileIndexIsRefused) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  EXPECT_NE(refusal_of(0, 0).find("MMIDIDX"), std::string::npos);
  EXPECT_NE(refusal_of(9, 2).find("version is 2"), std::string::npos);
  EXPECT_NE(refusal_of(17, 6, 1).find("type code is 6"), std::string::npos);
  EXPECT_NE(refusal_of(18, kHuge).find("number of sequences"), std::string::npos);
  EXPECT_NE(refusal_of(26, kHuge).find("document borders"), std::string::npos);
  EXPECT_NE(refusal_of(26, 0).find("document borders"), std::string::npos);
  EXPECT_NE(refusal_of(34, -1, 4).find("length of sequence 0 is -1"), std::string::npos);
  EXPECT_NE(refusal_of(34, 1 << 30, 4).find("sequence 0 ends at byte"), std::string::npos);
  EXPECT_NE(refusal_of(50, 2).find("offset of sequence 1 is 2"), std::string::npos);
  EXPECT_NE(refusal_of(50, kHuge).find("offset of sequence 1"), std::string::npos);
  EXPECT_NE(refusal_of(66, 3).find("document border 1 is 3"), std::string::npos);
  EXPECT_NE(refusal_of(74, 1).find("last document border is 1"), std::string::npos);
}

TEST(IndexedDataset, EveryTruncationIsRefused) {
  const ScratchFolder folder;
  write_documents(folder / "a", {{1, 2, 3}, {4, 5}}, 100);
  const std::string bin = read_file(folder / "a.bin"), idx = read_file(folder / "a.idx");
  for (size_t size = 0; size < idx.size(); ++size) {
    folder.write("a.idx", idx.substr(0, size));
    EXPECT_THROW(IndexedDataset(folder / "a"), DataError) << size;
  }
  folder.write("a.idx", idx);
  for (size_t size = 0; size < bin.size(); ++size) {
    folder.write("a.bin", bin.substr(0, size));
    EXPECT_THROW(IndexedDataset(folder / "a"), DataError) << size;
  }
}

TEST(IndexedDataset, FlippedBytesNeverCrash) {
  const ScratchFolder folder;
  write_documents(folder / "a", {{1, 2, 3}, {4, 5}}, 100);
  const std::string idx = read_file(folder / "a.idx");
  std::mt19937 random(2);
  int opened = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string flipped = idx;
    flipped[random() % flipped.size()] ^= static_cast<char>(1 << random() % 8);
    folder.write("a.idx", flipped);
    try {
      const IndexedDataset data(folder / "a");
      EXPECT_LE(data.tokens(0, 100).size(), 10u);
      ++opened;
    } catch (const DataError&) {
    }
  }
  EXPECT_LT(opened, 100);  // a few flips give another sound file, such as 16-bit tokens with another sign
}

}  // namespace
}  // namespace ingot::data
