#include "core/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace ingot {
namespace {

// Philox 4x32-10 of the authors' known-answer file: counter 0, key 0 gives 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
TEST(RandomBits, EqualsThePublishedKnownAnswer) { EXPECT_EQ(random_bits(0, 0, 0), 0xe169c58d6627e8d5u); }

TEST(RandomBits, DependsOnSeedStreamAndCounter) {
  const std::set<uint64_t> values{random_bits(1, 1, 1), random_bits(2, 1, 1), random_bits(1, 2, 1), random_bits(1, 1, 2)};
  EXPECT_EQ(values.size(), 4u);
}

TEST(RandomUniform, HasTheMomentsOfAUniformDistribution) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random_uniform(7, 1, i);
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / kDraws, 1.0 / 2, 0.005);
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.005);
}

TEST(Permutation, VisitsEveryIndexOnce) {
  for (const uint64_t n : {1u, 2u, 3u, 5u, 16u, 17u, 1000u, 4097u}) {
    const Permutation order(n, 42, 1, 0);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < n; ++i) seen.insert(order(i));
    EXPECT_EQ(seen.size(), n);
    EXPECT_LT(*seen.rbegin(), n);
  }
}

TEST(Permutation, ChangesWithEpochAndSeed) {
  const Permutation a(1000, 42, 1, 0), b(1000, 42, 1, 1), c(1000, 43, 1, 0);
  int same_b = 0, same_c = 0;
  for (uint64_t i = 0; i < 1000; ++i) same_b += a(i) == b(i), same_c += a(i) == c(i);
  EXPECT_LT(same_b, 10);
  EXPECT_LT(same_c, 10);
}

TEST(Permutation, SpreadsNeighboursApart) {
  const Permutation order(10000, 3, 1, 0);
  double distance = 0;
  for (uint64_t i = 0; i + 1 < 10000; ++i) distance += std::abs(double(order(i)) - double(order(i + 1)));
  EXPECT_NEAR(distance / 9999, 10000.0 / 3, 150);  // the mean distance of two uniform draws is n/3
}

}  // namespace
}  // namespace ingot
