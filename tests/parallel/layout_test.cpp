#include "parallel/layout.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ingot::parallel {
namespace {

TEST(Layout, NeighboursShareMatricesThenRowsThenLayers) {
  const Layout layout{.dp = 2, .tp = 2, .pp = 2};
  EXPECT_EQ(place_of(layout, 1), (Place{.tp = 1}));
  EXPECT_EQ(place_of(layout, 2), (Place{.dp = 1}));
  EXPECT_EQ(place_of(layout, 4), (Place{.pp = 1}));
  EXPECT_EQ(to_string(layout), "dp 2 x tp 2 x pp 2");
  EXPECT_EQ(to_string(Layout{}), "one rank");
}

TEST(Layout, EveryRankHasAPlaceOfItsOwnAndIsFoundAgain) {
  for (const Layout layout : {Layout{}, Layout{.dp = 3, .cp = 2, .tp = 4, .pp = 5}, Layout{.dp = 4, .tp = 2, .ep = 2}}) {
    for (int64_t rank = 0; rank < layout.num_ranks(); ++rank) EXPECT_EQ(rank_of(layout, place_of(layout, rank)), rank);
    EXPECT_NE(place_of(layout, layout.num_ranks() - 1).dp, layout.dp);
  }
}

TEST(Layout, TheGroupsOfAnAxisPartTheRanks) {
  const Layout layout{.dp = 4, .cp = 2, .tp = 2, .pp = 3, .ep = 2};
  for (const Axis axis : {Axis::kData, Axis::kContext, Axis::kTensor, Axis::kPipeline, Axis::kExpert, Axis::kExpertData}) {
    for (int64_t rank = 0; rank < layout.num_ranks(); ++rank) {
      const auto group = group_of(layout, axis, rank);
      EXPECT_EQ(std::count(group.begin(), group.end(), rank), 1);
      for (const int64_t other : group) EXPECT_EQ(group_of(layout, axis, other), group);
    }
  }
}

TEST(Layout, AnExpertGroupIsMadeOfDataParallelNeighbours) {
  EXPECT_EQ(group_of({.dp = 4, .tp = 2, .ep = 2}, Axis::kExpert, 5), (std::vector<int64_t>{5, 7}));
  EXPECT_EQ(group_of({.dp = 4, .tp = 2, .ep = 2}, Axis::kExpertData, 5), (std::vector<int64_t>{1, 5}));
}

TEST(Layout, RefusesExpertsOverRanksThatTheyDoNotDivide) {
  Problems problems;
  Layout{.dp = 4, .ep = 3}.check(problems);
  EXPECT_EQ(problems.list(), std::vector<std::string>{"expert_model_parallel_size: found 3, wanted a divisor of the 4 data parallel ranks"});
}

}  // namespace
}  // namespace ingot::parallel
