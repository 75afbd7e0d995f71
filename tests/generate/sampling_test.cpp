#include "generate/sampling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace ingot::generate {
namespace {

SamplingOptions with_temperature(double temperature) {
  SamplingOptions options;
  options.temperature = temperature;
  return options;
}

const at::Tensor kLogits = at::tensor({1.0f, 3.0f, 2.0f, -1.0f});

TEST(PickToken, TakesTheLikeliestAtTemperatureZero) { EXPECT_EQ(pick_token(kLogits, with_temperature(0), 0), 1); }

TEST(PickToken, DrawsAsOftenAsSoftmaxSays) {
  constexpr int kDraws = 20000;
  std::map<int, int> seen;
  for (int i = 0; i < kDraws; ++i) ++seen[pick_token(kLogits, with_temperature(0.7), i)];
  const at::Tensor wanted = at::softmax(kLogits / 0.7, 0);
  for (int id = 0; id < 4; ++id) EXPECT_NEAR(seen[id] / double(kDraws), wanted[id].item<double>(), 0.01);
}

TEST(PickToken, KeepsToTopKAndTopP) {
  SamplingOptions top_k = with_temperature(5), top_p = with_temperature(1);
  top_k.top_k = 2;
  top_p.top_p = 0.6;  // the likeliest alone has 0.66
  for (int i = 0; i < 500; ++i) {
    const auto by_k = pick_token(kLogits, top_k, i);
    EXPECT_TRUE(by_k == 1 || by_k == 2);
    EXPECT_EQ(pick_token(kLogits, top_p, i), 1);
  }
}

TEST(PickToken, PenalisesWhatWasSaidOnceHoweverOften) {
  auto options = with_temperature(0);
  options.repetition_penalty = 2;
  const std::vector<data::TokenId> first{1, 1, 1}, both{1, 2}, all{0, 1, 2, 3};
  EXPECT_EQ(pick_token(kLogits, options, 0), 1);
  EXPECT_EQ(pick_token(kLogits, options, 0, first), 2);  // 3 / 2 is below 2, and would be 3 / 8 if it counted thrice
  EXPECT_EQ(pick_token(at::tensor({1.0f, 3.0f, 1.4f, -1.0f}), options, 0, first), 1);
  EXPECT_EQ(pick_token(kLogits, options, 0, both), 1);
  EXPECT_EQ(pick_token(at::tensor({-3.0f, -1.0f}), options, 0, std::vector<data::TokenId>{1}), 1);  // -2
  EXPECT_EQ(pick_token(at::tensor({-1.5f, -1.0f}), options, 0, std::vector<data::TokenId>{1}), 0);
  EXPECT_EQ(pick_token(kLogits, options, 0, all), 1);
}

TEST(PickToken, DependsOnSeedAndPositionAlone) {
  const auto options = with_temperature(1);
  EXPECT_EQ(pick_token(kLogits, options, 5), pick_token(kLogits.to(at::kDouble), options, 5));
}

}  // namespace
}  // namespace ingot::generate
