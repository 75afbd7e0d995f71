#include "train/plan/sum_walk.h"

#include <gtest/gtest.h>

#include "train/bucket_bytes.h"

namespace ingot::train {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;

TEST(SumWalk, WithoutCopiesSumsGrowWithTheGradients) {
  HeldBytes held;
  SumWalk sums(held, 30 * kMebibyte, {});
  for (int i = 1; i <= 3; ++i) {
    sums.add(10 * kMebibyte, 5 * kMebibyte);
    EXPECT_EQ(held.now(), 10 * i * kMebibyte);
  }
  sums.finish();
  EXPECT_EQ(held.now(), held.peak());
}

TEST(SumWalk, ABucketIsWholeFromItsFirstGradientOn) {
  HeldBytes held;
  SumWalk sums(held, 30 * kMebibyte, {.copies = 2});
  sums.add(kMebibyte, kMebibyte);
  EXPECT_EQ(held.now(), kBucketBytes);
  sums.add(25 * kMebibyte, kMebibyte);
  EXPECT_EQ(held.now(), 30 * kMebibyte);  // the second one has what is left
  sums.finish();
  EXPECT_EQ(held.peak(), 30 * kMebibyte);
}

TEST(SumWalk, SumsOfEarlierMicroBatchesAreAddedTo) {
  HeldBytes held;
  SumWalk sums(held, 30 * kMebibyte, {.copies = 2, .are_there = true});
  sums.add(30 * kMebibyte, kMebibyte);
  sums.finish();
  EXPECT_EQ(held.peak(), 0);
}

TEST(SumWalk, ByRowsOneBucketArrivesAtATime) {
  HeldBytes held;
  SumWalk sums(held, 100 * kMebibyte, {.copies = 2, .shares = 2});
  sums.add(100 * kMebibyte, kMebibyte);
  EXPECT_EQ(held.peak(), 100 * kMebibyte + kBucketBytes * 3 / 2);
  sums.finish();
  EXPECT_EQ(held.now(), 100 * kMebibyte);
}

TEST(SumWalk, WhereOnlyRowsAreKeptNoMoreThanTwoBucketsAreThere) {
  HeldBytes held;
  SumWalk sums(held, 100 * kMebibyte, {.copies = 2, .shares = 2, .keeps_rows = true});
  sums.add(100 * kMebibyte, kMebibyte);
  sums.finish();
  EXPECT_EQ(held.now(), 50 * kMebibyte);
  EXPECT_LE(held.peak(), 50 * kMebibyte + 3 * kBucketBytes);  // one that fills, one under way and its terms
  EXPECT_GT(held.peak(), 50 * kMebibyte);
}

TEST(SumWalk, RanksWithOtherTokensOfARowHaveCopiesButNoRowsOfTheirOwn) {
  HeldBytes held;
  SumWalk sums(held, 50 * kMebibyte, {.copies = 4, .shares = 2, .keeps_rows = true});
  sums.add(50 * kMebibyte, kMebibyte);
  sums.finish();
  EXPECT_EQ(held.now(), 25 * kMebibyte);
}

TEST(SumWalk, ALargeParameterHasItsOwnBucket) {
  HeldBytes held;
  SumWalk sums(held, 10 * kMebibyte, {.copies = 4, .shares = 4, .keeps_rows = true, .are_there = true});
  sums.add(5 * kMebibyte, kMebibyte);
  EXPECT_EQ(held.now(), 10 * kMebibyte);
  sums.add(80 * kMebibyte, 40 * kMebibyte);
  EXPECT_EQ(held.now(), 40 * kMebibyte * 9 / 4);  // the second one: itself, its terms and their sum; the others have arrived
  sums.finish();
  EXPECT_EQ(held.now(), 0);
}

}  // namespace
}  // namespace ingot::train
