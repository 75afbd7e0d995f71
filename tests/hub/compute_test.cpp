#include "hub/compute.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "core/cpu.h"
#include "core/error.h"

namespace ingot::hub {
namespace {

std::string refusal(const ComputeWords& words) {
  try {
    find_compute(words);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Compute, OnACpuAutoIsBf16WhereItIsMultipliedInHardware) {
  const auto found = find_compute({.device = "cpu"});
  EXPECT_EQ(found.device, "cpu");
  EXPECT_EQ(found.type, has_bf16_dot_products() ? at::kBFloat16 : at::kFloat);
  EXPECT_EQ(find_compute({"bf16", "cpu"}).type, at::kBFloat16);
  EXPECT_EQ(find_compute({"fp32", "cpu"}).type, at::kFloat);
}

TEST(Compute, AutoTakesADeviceThatIsThere) {
  const auto found = find_compute({});
  EXPECT_EQ(refusal({.device = found.device}), "");
  EXPECT_TRUE(!at::hasCUDA() || found.device == "cuda");
}

TEST(Compute, ADeviceThatIsNotThereIsRefusedWithTheReason) {
  if (!at::hasCUDA()) {
    EXPECT_EQ(refusal({"auto", "cuda", "run.yaml: "}), "run.yaml: device: found cuda, wanted a device of this machine, as auto finds: "
                                                       "this LibTorch is built without CUDA, or finds no driver");
  }
  if (find_compute({}).device == "npu") return;
  for (int time : {1, 2})
    EXPECT_NE(refusal({"auto", "npu", "--"}).find("--device: found npu, wanted a device"), std::string::npos) << "time " << time;
}

TEST(Compute, AnotherWordIsRefused) {
  EXPECT_EQ(refusal({"fp16", "cpu", "--"}), "--precision: found fp16, wanted one of auto, bf16, fp32");
  EXPECT_EQ(refusal({"auto", "tpu"}), "device: found tpu, wanted one of auto, cpu, cuda, npu");
}

}  // namespace
}  // namespace ingot::hub
