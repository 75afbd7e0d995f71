#include "parallel/split.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <stdexcept>

namespace ingot::parallel {
namespace {

/// Queries of 8 heads, keys and values of 2, of 4 rows each, one after another in one matrix.
const Split kJoint{0, {{32, 8}, {8, 2}, {8, 2}}};
const Shape kShape{48, 16};

TEST(Split, OfAJointMatrixEveryPartHasItsHeadsOfEachMap) {
  EXPECT_EQ(slices_of(kJoint, kShape, 1, 2),
            (std::vector<Slice>{{{16, 0}, {16, 16}}, {{36, 0}, {4, 16}}, {{44, 0}, {4, 16}}}));
  EXPECT_EQ(part_shape(kJoint, kShape, 2), (Shape{24, 16}));
}

TEST(Split, FewKeyHeadsAreSharedByNeighbours) {
  const auto keys = [](int64_t part) { return slices_of(kJoint, kShape, part, 4)[1]; };
  EXPECT_EQ(keys(0), (Slice{{32, 0}, {4, 16}}));
  EXPECT_EQ(keys(1), keys(0));
  EXPECT_EQ(keys(2), (Slice{{36, 0}, {4, 16}}));
  EXPECT_EQ(keys(3), keys(2));
  EXPECT_EQ(part_shape(kJoint, kShape, 4), (Shape{16, 16}));
}

TEST(Split, AlongTheSecondDimTheRowsStayWhole) {
  EXPECT_EQ(slices_of({1, {{16, 16}}}, {3, 16}, 3, 4), (std::vector<Slice>{{{0, 12}, {3, 4}}}));
}

TEST(Split, ATensorWithoutBlocksIsWholeOnEveryPart) {
  for (int64_t part = 0; part < 3; ++part) EXPECT_EQ(slices_of({}, {5}, part, 3), std::vector<Slice>{whole_of({5})});
}

TEST(Split, HeadsThatDoNotDivideAreRefused) {
  EXPECT_FALSE(can_split(kJoint, 3));
  EXPECT_FALSE(can_split({0, {{24, 6}}}, 4));
  EXPECT_TRUE(can_split(kJoint, 16));
  EXPECT_THROW(slices_of(kJoint, kShape, 0, 3), std::logic_error);
}

/// Every row of a tensor is in as many parts as share its unit, and parts are of one shape.
TEST(Split, PartsCoverTheTensorEvenly) {
  std::mt19937 random(1);
  const auto power = [&](int most) { return int64_t{1} << (random() % (most + 1)); };
  for (int round = 0; round < 200; ++round) {
    Split split;
    Shape shape{0};
    for (int block = 0; block < 3; ++block) {
      const int64_t units = power(4);
      split.blocks.push_back({units * (1 + static_cast<int64_t>(random() % 5)), units});
      shape[0] += split.blocks.back().size;
    }
    const int64_t parts = power(4);
    std::map<int64_t, int64_t> seen;
    for (int64_t part = 0; part < parts; ++part) {
      int64_t rows = 0;
      for (const auto& slice : slices_of(split, shape, part, parts)) {
        rows += slice.extent[0];
        for (int64_t row = slice.offset[0]; row < slice.offset[0] + slice.extent[0]; ++row) ++seen[row];
      }
      EXPECT_EQ(Shape{rows}, part_shape(split, shape, parts));
    }
    int64_t row = 0;
    for (const auto& [size, units] : split.blocks)
      for (int64_t end = row + size; row < end; ++row) ASSERT_EQ(seen[row], std::max<int64_t>(1, parts / units));
  }
}

}  // namespace
}  // namespace ingot::parallel
