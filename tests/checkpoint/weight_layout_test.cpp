#include "checkpoint/weight_layout.h"

#include <ATen/ATen.h>

#include "checkpoint/hf_index.h"
#include "checkpoint/support.h"
#include "core/error.h"
#include "core/file.h"
#include "checkpoint/torch_builder.h"
#include "temporary_folder.h"
#include "tensor_makers.h"

namespace ingot::checkpoint {
namespace {

/// A layout of two files with metadata and dtypes of their own.
WeightLayout two_files() {
  return {{{"part-b.safetensors", {{"format", "pt"}, {"by", "someone"}}, {{"w", DType::kBF16}, {"i", DType::kI64}}},
           {"part-a.safetensors", {}, {{"v", DType::kF16}}}}};
}

std::vector<NamedTensor> values() {
  at::manual_seed(4);
  const auto round = [](const at::Tensor& x, at::ScalarType dtype) { return x.to(dtype).to(at::kFloat); };
  return {{"v", round(at::randn({5}), at::kHalf)}, {"w", round(at::randn({2, 3}), at::kBFloat16)}, {"i", at::arange(4)}};
}

TEST(WeightLayout, GivesTheSameBytesAgain) {
  const TemporaryFolder first, second;
  write_hf_weights(first.path(), makers_of(values()), two_files(), {});
  const auto layout = WeightLayout::of(HfWeights(first.path()));
  ASSERT_TRUE(layout.has_value());
  const auto restored = WeightLayout::from_json(layout->to_json(), "layout.json");
  write_hf_weights(second.path(), makers_of(values()), restored, {});
  for (const auto* name : {"part-a.safetensors", "part-b.safetensors", kHfIndexFile})
    EXPECT_EQ(read_file(first / name), read_file(second / name)) << name;
}

TEST(WeightLayout, ConvertsFloatsWhenAsked) {
  const TemporaryFolder folder;
  write_hf_weights(folder.path(), makers_of(values()), two_files(), DType::kF32);
  const HfWeights weights(folder.path());
  for (const auto& [name, value] : values()) EXPECT_TRUE(at::equal(weights.load(name), value)) << name;
}

TEST(WeightLayout, IsNothingWithoutSafetensors) {
  const TemporaryFolder folder;
  put_file(folder / "pytorch_model.bin", torch_zip(state_dict({{}})));
  EXPECT_FALSE(WeightLayout::of(HfWeights(folder.path())).has_value());
}

TEST(WeightLayout, IsPlannedInTheTypesOfTheTensors) {
  const std::vector<TensorInfo> tensors{{"a", DType::kF16, {8}}, {"b", DType::kF32, {8}}};
  const auto whole = WeightLayout::planned(tensors), shards = WeightLayout::planned(tensors, 32);
  ASSERT_EQ(whole.files.size(), 1u);
  EXPECT_EQ(whole.files[0].name, kHfWeightsFile);
  EXPECT_EQ(whole.files[0].tensors, (std::map<std::string, DType>{{"a", DType::kF16}, {"b", DType::kF32}}));
  ASSERT_EQ(shards.files.size(), 2u);
  EXPECT_EQ(shards.files[1].name, "model-00002-of-00002.safetensors");
}

TEST(WeightLayout, CopiesTensorsBitForBit) {
  const TemporaryFolder folder;
  write_hf_weights(folder.path(), makers_of(values()), two_files(), {});
  copy_tensors(HfWeights(folder.path()), {"v", "i"}, folder / "copy.safetensors");
  const SafetensorsFile copy(folder / "copy.safetensors");
  ASSERT_EQ(copy.tensors().size(), 2u);
  EXPECT_TRUE(at::equal(load_tensor(copy, "v"), HfWeights(folder.path()).load("v")));
}

TEST(WeightLayout, RefusesAPathAndAnUnknownDtype) {
  const auto json = [](const char* file, const char* dtype) {
    return Json{{file, {{"metadata", Json::object()}, {"tensors", {{"w", dtype}}}}}};
  };
  expect_data_error([&] { WeightLayout::from_json(json("../w", "F32"), "layout.json"); }, "layout.json: \"../w\"");
  expect_data_error([&] { WeightLayout::from_json(json("w", "F7"), "layout.json"); }, "\"w\" has no dtype");
  expect_data_error([&] { WeightLayout::from_json(Json::array(), "layout.json"); }, "no object");
}

}  // namespace
}  // namespace ingot::checkpoint
