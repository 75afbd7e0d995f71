#include "model/parameters.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace ingot::model {
namespace {

at::Tensor add(ParameterList& list, const std::string& name, const Shape& shape, Init init = Init::kNormal, const std::string& device = "cpu") {
  return add_parameter(list, {.name = name, .shape = shape, .init = init, .decay = init == Init::kNormal}, at::kFloat, device);
}

TEST(ParameterList, HasTheParametersInOrder) {
  ParameterList list;
  add(list, "model.norm.weight", {4}, Init::kOnes);
  add(list, "head", {3, 4});
  ASSERT_EQ(list.parameters.size(), 2u);
  EXPECT_EQ(list.parameters[0]->name, "model.norm.weight");
  EXPECT_FALSE(list.parameters[0]->decay);
  EXPECT_TRUE(list.parameters[1]->decay);
  EXPECT_EQ(list.num_elements(), 16);
  EXPECT_EQ(list.find("head"), list.parameters[1]);
  EXPECT_EQ(list.find("absent"), nullptr);
}

TEST(ParameterList, RejectsANameTwice) {
  ParameterList list;
  add(list, "weight", {4});
  EXPECT_THROW(add(list, "weight", {4}), c10::Error);
}

TEST(ParameterScope, FindsParametersByTheEndOfTheirName) {
  ParameterList list;
  const auto weight = add(list, "layers.0.up.weight", {3, 4});
  const auto scope = ParameterScope(list).child("layers").child("0").child("up");
  EXPECT_TRUE(scope.value("weight").is_same(weight));
  EXPECT_FALSE(scope.value_if_any("bias").defined());
  EXPECT_THROW(scope.value("bias"), c10::Error);
  const auto layer = scope.linear_layer(LayerKind::kLinear);
  EXPECT_EQ(layer->module, "layers.0.up");
  EXPECT_EQ(layer->in, 4);
  EXPECT_EQ(scope.linear_layer(LayerKind::kEmbedding)->in, 3);
}

TEST(ParameterList, TakesNoMemoryOnMeta) {
  ParameterList list;
  add(list, "huge", {int64_t{1} << 24, int64_t{1} << 20}, Init::kNormal, "meta");
  EXPECT_EQ(list.num_elements(), int64_t{1} << 44);
  EXPECT_TRUE(list.parameters[0]->value.is_meta());
}

at::Tensor initialised(const std::string& name, uint64_t seed, const Shape& shape, at::ScalarType dtype = at::kFloat) {
  ParameterList list;
  const auto value = add_parameter(list, {.name = name, .shape = shape, .init_std = 0.02}, dtype, "cpu");
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
  const auto norm = add(list, "norm", {5}, Init::kOnes), bias = add(list, "bias", {5}, Init::kZeros);
  initialize_parameters(list, 1);
  EXPECT_TRUE(at::equal(norm.detach(), at::ones({5})));
  EXPECT_TRUE(at::equal(bias.detach(), at::zeros({5})));
}

}  // namespace
}  // namespace ingot::model
