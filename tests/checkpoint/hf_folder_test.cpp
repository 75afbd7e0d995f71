#include "checkpoint/hf_folder.h"

#include <ATen/ATen.h>

#include "checkpoint/support.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "temporary_folder.h"
#include "tensor_makers.h"

namespace ingot::checkpoint {
namespace {
namespace fs = std::filesystem;

std::vector<NamedTensor> three_tensors() {
  at::manual_seed(3);
  return {{"b", at::randn({4, 5})}, {"a", at::randn({7})}, {"c", at::randn({2, 3})}};
}

constexpr std::string_view kByte = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";

/// A folder of one shard that holds tensor "a", and an index of this weight_map.
void put_sharded(const TemporaryFolder& folder, const std::string& weight_map) {
  put_file(folder / "model-00001-of-00001.safetensors", safetensors_bytes(kByte, "1"));
  put_file(folder / "model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":" + weight_map + "}");
}

void expect_index_refused(const std::string& weight_map, std::string_view part) {
  const TemporaryFolder folder;
  put_sharded(folder, weight_map);
  expect_data_error([&] { HfWeights weights(folder.path()); }, part);
}

TEST(HfFolder, ReturnsWhatWasWritten) {
  const TemporaryFolder folder;
  const auto tensors = three_tensors();
  write_hf_weights(folder.path(), makers_of(tensors, DType::kF32));
  const HfWeights weights(folder.path());
  EXPECT_EQ(weights.total_bytes(), 33u * 4);
  for (const auto& [name, value] : tensors) EXPECT_TRUE(at::equal(weights.load(name), value)) << name;
  EXPECT_FALSE(weights.contains("d"));
  expect_data_error([&] { weights.load("d"); }, "no tensor \"d\"");
}

TEST(HfFolder, ConvertsFloatsAndKeepsIntegers) {
  const TemporaryFolder folder;
  const auto floats = at::tensor({1.0f, 1.00390625f, -3.14159f}), integers = at::tensor({1, 2}, at::kLong);
  write_hf_weights(folder.path(), makers_of({{"f", floats}, {"i", integers}}, DType::kBF16));
  const HfWeights weights(folder.path());
  EXPECT_TRUE(at::equal(weights.load("f"), floats.to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(weights.load("i"), integers));
}

TEST(HfFolder, SplitsIntoShardsWithAnIndex) {
  const TemporaryFolder folder;
  const auto tensors = three_tensors();
  write_hf_weights(folder.path(), makers_of(tensors, DType::kF32), 60);  // b is larger, a and c share a file
  const auto index = read_json(folder / "model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], 132);
  EXPECT_EQ(index["metadata"]["total_parameters"], 33);
  EXPECT_EQ(index["weight_map"]["b"], "model-00001-of-00002.safetensors");
  EXPECT_EQ(index["weight_map"]["c"], "model-00002-of-00002.safetensors");
  const HfWeights weights(folder.path());
  EXPECT_EQ(weights.tensors().size(), 3u);
  for (const auto& [name, value] : tensors) EXPECT_TRUE(at::equal(weights.load(name), value)) << name;
}

TEST(HfFolder, RemovesWeightsOfAnEarlierSave) {
  const TemporaryFolder folder;
  write_hf_weights(folder.path(), makers_of(three_tensors(), DType::kF32), 60);
  write_hf_weights(folder.path(), makers_of(three_tensors(), DType::kF32));
  EXPECT_FALSE(fs::exists(folder / "model.safetensors.index.json"));
  EXPECT_FALSE(fs::exists(folder / "model-00001-of-00002.safetensors"));
  EXPECT_EQ(HfWeights(folder.path()).tensors().size(), 3u);
}

TEST(HfFolder, RewritesStories260KByteForByte) {
  const fs::path from = shared_file("tiny-models/stories260K-llama");
  if (from.empty()) GTEST_SKIP() << "no ../shared/tiny-models/stories260K-llama here";
  const HfWeights weights(from);
  std::vector<NamedTensor> tensors;
  for (const auto& entry : weights.tensors()) tensors.push_back({entry.name, weights.load(entry.name)});
  const TemporaryFolder folder;
  write_hf_weights(folder.path(), makers_of(tensors, DType::kF32));
  EXPECT_EQ(read_file(folder / "model.safetensors"), read_file(from / "model.safetensors"));
}

TEST(HfFolder, RefusesNamesOutsideTheFolder) {
  for (const char* name : {"../x.safetensors", "/etc/passwd", "a/../../x", ""})
    expect_index_refused(Json{{"a", name}}.dump(), "points outside its folder");
}

TEST(HfFolder, RefusesALinkThatLeavesTheFolder) {
  const TemporaryFolder folder, other;
  put_file(other / "real.safetensors", safetensors_bytes(kByte, "1"));
  fs::create_symlink(other / "real.safetensors", folder / "model.safetensors");
  expect_data_error([&] { HfWeights weights(folder.path()); },
                    "points outside its folder, through a link to " + (other / "real.safetensors").string() + "; wanted the file itself or a hard link");
}

TEST(HfFolder, ReadsAHuggingFaceCache) {
  const TemporaryFolder cache;
  fs::create_directories(cache / "snapshots/1f2e");
  fs::create_directories(cache / "blobs");
  put_file(cache / "blobs/77", safetensors_bytes(kByte, "1"));
  fs::create_symlink("../../blobs/77", cache / "snapshots/1f2e/model.safetensors");
  EXPECT_TRUE(HfWeights(cache / "snapshots/1f2e").contains("a"));
}

TEST(HfFolder, RefusesAnIndexAtOddsWithItsShards) {
  expect_index_refused(R"({"a":"model-00009-of-00009.safetensors"})", "00009-of-00009.safetensors: cannot be read");
  expect_index_refused("{}", "no weight_map");
  expect_index_refused("[]", "no weight_map");
  expect_index_refused(R"({"a":1})", "no file name");
  expect_index_refused(std::string(3000, '['), "nested deeper");
  expect_index_refused("{", "not valid JSON");
}

/// The second file of two with a tensor "b" and one more.
void put_second(const TemporaryFolder& folder, const std::string& more) {
  put_file(folder / "two.safetensors", safetensors_bytes(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},")" + more +
                                                             R"(":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "12"));
}

TEST(HfFolder, TakesWhatTheFilesHoldWhereTheIndexSaysOtherwise) {
  const TemporaryFolder folder;
  put_sharded(folder, R"({"a":"model-00001-of-00001.safetensors","b":"model-00001-of-00001.safetensors","x":"two.safetensors"})");
  put_second(folder, "c");
  testing::internal::CaptureStderr();
  const HfWeights weights(folder.path());
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(weights.tensors().size(), 3u);
  EXPECT_EQ(weights.load("b").item<int>(), '1');
  EXPECT_TRUE(weights.contains("c") && !weights.contains("x"));
  EXPECT_NE(said.find("tensor \"b\" is listed for a file that does not hold it, and so are 1 more"), std::string::npos) << said;
  EXPECT_NE(said.find("tensor \"c\" is in one of its files and not listed"), std::string::npos) << said;
}

TEST(HfFolder, RefusesATensorThatTwoFilesHold) {
  const TemporaryFolder folder;
  put_sharded(folder, R"({"a":"model-00001-of-00001.safetensors","b":"two.safetensors"})");
  put_second(folder, "a");
  expect_data_error([&] { HfWeights weights(folder.path()); }, "tensor \"a\" is there twice");
}

TEST(HfFolder, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  expect_data_error([&] { HfWeights weights(folder.path()); }, "none of model.safetensors, model.safetensors.index.json, pytorch_model.bin");
}

}  // namespace
}  // namespace ingot::checkpoint
