#include "core/page_blocks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace ingot {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(PageBlocks, APieceThatIsGivenBackIsTheNextOne) {
  PageBlocks blocks;
  void* first = blocks.take(3 * kMiB);
  std::memset(first, 1, 3 * kMiB);
  EXPECT_TRUE(blocks.give_back(first));
  EXPECT_EQ(blocks.take(3 * kMiB), first);
  EXPECT_EQ(blocks.held(), 3 * kMiB);
}

TEST(PageBlocks, ASmallerPieceLeavesTheRestToOthers) {
  PageBlocks blocks;
  blocks.give_back(blocks.take(8 * kMiB));
  blocks.take(3 * kMiB), blocks.take(5 * kMiB);
  EXPECT_EQ(blocks.held(), 8 * kMiB);
}

TEST(PageBlocks, HoldsNoMoreThanWasEverInUse) {
  PageBlocks blocks;
  std::mt19937 random(7);
  std::vector<std::pair<void*, size_t>> pieces;
  for (int i = 0; i < 5000; ++i) {
    if (!pieces.empty() && random() % 2 == 0) {
      std::swap(pieces[random() % pieces.size()], pieces.back());
      EXPECT_EQ(static_cast<unsigned char*>(pieces.back().first)[pieces.back().second - 1], static_cast<unsigned char>(pieces.back().second));
      EXPECT_TRUE(blocks.give_back(pieces.back().first));
      pieces.pop_back();
    } else {
      const size_t size = PageBlocks::kLeast + random() % (4 * kMiB);
      void* piece = blocks.take(size);
      std::memset(static_cast<unsigned char*>(piece) + size - 1, static_cast<int>(size & 255), 1);
      pieces.emplace_back(piece, size);
    }
    ASSERT_LE(blocks.held(), blocks.most_used());
  }
}

TEST(PageBlocks, LetsGoWhatItKeeps) {
  PageBlocks blocks;
  void* piece = blocks.take(kMiB);
  blocks.give_back(blocks.take(2 * kMiB));
  blocks.let_go();
  EXPECT_EQ(blocks.held(), kMiB);
  EXPECT_EQ(blocks.most_used(), kMiB);
  EXPECT_TRUE(blocks.give_back(piece));
}

TEST(PageBlocks, KnowsItsOwn) {
  PageBlocks blocks;
  int other = 0;
  EXPECT_FALSE(blocks.give_back(&other));
  EXPECT_EQ(blocks.used(), 0u);
}

}  // namespace
}  // namespace ingot
