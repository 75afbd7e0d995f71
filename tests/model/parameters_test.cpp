#include "model/parameters.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace ingot::model {
namespace {

TEST(ParameterScope, RecordsNamesInOrder) {
  ParameterList list;
  const ParameterScope root(list, at::kFloat, "cpu");
  root.child("model").child("norm").ones("weight", {4});
  root.normal("head", {3, 4}, 0.5);
  ASSERT_EQ(list.parameters.size(), 2u);
  EXPECT_EQ(list.parameters[0]->name, "model.norm.weight");
  EXPECT_FALSE(list.parameters[0]->decay);
  EXPECT_TRUE(list.parameters[1]->decay);
  EXPECT_EQ(list.num_elements(), 16);
  EXPECT_EQ(list.find("head"), list.parameters[1]);
  EXPECT_EQ(list.find("absent"), nullptr);
}

TEST(ParameterScope, RejectsANameTwice) {
  ParameterList list;
  const ParameterScope root(list, at::kFloat, "meta");
  root.ones("weight", {4});
  EXPECT_THROW(root.ones("weight", {4}), c10::Error);
}

TEST(ParameterScope, TakesNoMemoryOnMeta) {
  ParameterList list;
  ParameterScope(list, at::kBFloat16, "meta").normal("huge", {int64_t{1} << 24, int64_t{1} << 20}, 1);
  EXPECT_EQ(list.num_elements(), int64_t{1} << 44);
  EXPECT_TRUE(list.parameters[0]->value.is_meta());
}

at::Tensor initialised(const std::string& name, uint64_t seed, const Shape& shape, at::ScalarType dtype = at::kFloat) {
  ParameterList list;
  const auto value = ParameterScope(list, dtype, "cpu").normal(name, shape, 0.02);
  initialize_parameters(list, seed);
  return value.detach();
}

TEST(InitializeParameters, DrawsFromANormalDistribution) {
  const auto value = initialised("weight", 1, {1000, 1001}).to(at::kDouble);
  EXPECT_NEAR(value.mean().item<double>(), 0, 1e-4);
  EXPECT_NEAR(value.std().item<double>(), 0.02, 1e-4);
  const auto standard = value / 0.02;
  EXPECT_NEAR(standard.pow(3).mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(standard.pow(4).mean().item<double>(), 3, 0.05);
  EXPECT_NEAR(standard.abs().lt(1).to(at::kDouble).mean().item<double>(), 0.6827, 0.002);
}

TEST(InitializeParameters, DependsOnSeedNameAndElementAlone) {
  const auto value = initialised("a.weight", 7, {64, 33});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(initialised("a.weight", 7, {64, 33}), value));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(initialised("a.weight", 7, {32, 33}), value.narrow(0, 0, 32)));
  EXPECT_TRUE(at::equal(initialised("a.weight", 7, {64, 33}, at::kBFloat16), value.to(at::kBFloat16)));
  EXPECT_FALSE(at::equal(initialised("b.weight", 7, {64, 33}), value));
  EXPECT_FALSE(at::equal(initialised("a.weight", 8, {64, 33}), value));
}

TEST(InitializeParameters, FillsOnesAndZeros) {
  ParameterList list;
  const ParameterScope root(list, at::kFloat, "cpu");
  const auto norm = root.ones("norm", {5}), bias = root.zeros("bias", {5});
  initialize_parameters(list, 1);
  EXPECT_TRUE(at::equal(norm.detach(), at::ones({5})));
  EXPECT_TRUE(at::equal(bias.detach(), at::zeros({5})));
}

}  // namespace
}  // namespace ingot::model
