#include "ops/kernels/element.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace ingot::ops {
namespace {

TEST(FastExp, StaysWithinTwoTenMillionths) {
  for (float x = -86.9f; x < 87.9f; x += 0.0137f) {
    const double wanted = std::exp(static_cast<double>(x));
    EXPECT_NEAR(fast_exp(x) / wanted, 1, 2e-7) << x;
  }
}

TEST(FastExp, IsSaneAtTheEnds) {
  EXPECT_EQ(fast_exp(0), 1);
  EXPECT_LT(fast_exp(-INFINITY), 1e-37f);
  EXPECT_GT(fast_exp(INFINITY), 1e38f);
  EXPECT_TRUE(std::isnan(fast_exp(NAN)));
}

TEST(RoundTo, RoundsLikeTheHardwareType) {
  std::mt19937 random(1);
  for (int i = 0; i < 100000; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isnan(value)) continue;
    EXPECT_EQ(round_to<c10::BFloat16>(value).x, c10::BFloat16(value).x) << value;
  }
  EXPECT_TRUE(std::isnan(widen(round_to<c10::BFloat16>(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace ingot::ops
