#include "train/peak_rate.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ingot::train {
namespace {

TEST(PeakRate, IsARateAMachineCanHave) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const double rate = measure_matrix_rate(dtype, at::kCPU);
    EXPECT_GT(rate, 1e7) << dtype;
    EXPECT_LT(rate, 1e16) << dtype;
  }
}

}  // namespace
}  // namespace ingot::train
