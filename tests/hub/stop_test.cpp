#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <csignal>

#include "checkpoint/weight_layout.h"
#include "core/error.h"
#include "core/stop.h"
#include "hub/load_model.h"
#include "hub/model_folder.h"
#include "hub/source_weights.h"
#include "places.h"
#include "temporary_folder.h"
#include "tensor_makers.h"

namespace ingot::hub {
namespace {
namespace fs = std::filesystem;

const fs::path kStories = checkout() / "examples/stories260k";

/// Expects that `work` gives up when a stop is asked for, with the exit code of a stop and a line that has `words`.
template <class Work>
void expect_stopped(const Work& work, const std::string& words) {
  request_stop(SIGTERM);
  try {
    work();
    ADD_FAILURE() << "went on: " << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), kExitTerminated);
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
  clear_stop();
}

TEST(Stop, IsLookedAtWhileWeightsAreRead) {
  const ModelFolder folder(kStories);
  expect_stopped([&] { load_model(folder, {at::kBFloat16}); }, "while loading weights, nothing is lost");
  expect_stopped([&] { folder.weights_digest(); }, "while reading weights, nothing is lost");
  EXPECT_NE(load_model(folder, {at::kFloat}), nullptr);
}

TEST(Stop, IsLookedAtWhileAModelIsWritten) {
  const TemporaryFolder to;
  const std::vector<checkpoint::NamedTensor> tensors{{"w", at::ones({2, 2})}};
  expect_stopped([&] { checkpoint::write_hf_weights(to / "plain", checkpoint::makers_of(tensors)); }, "whose folder stays as it was");
  const ModelFolder folder(kStories);
  const auto layout = checkpoint::WeightLayout::of(folder.weights()).value();
  std::vector<checkpoint::NamedTensor> all;
  for (const auto& tensor : folder.weights().tensors()) all.push_back({tensor.name, folder.weights().load(tensor.name)});
  expect_stopped([&] { checkpoint::write_hf_weights(to / "layout", checkpoint::makers_of(all), layout, {}); }, "whose folder stays as it was");
  EXPECT_FALSE(fs::exists(to / "plain/model.safetensors") || fs::exists(to / "layout/model.safetensors"));
}

}  // namespace
}  // namespace ingot::hub
