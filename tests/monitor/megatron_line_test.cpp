#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <limits>

#include "monitor/metrics.h"

namespace ingot::monitor {
namespace {

/// Runs the test in UTC, so that local time is known.
struct MegatronLine : testing::Test {
  void SetUp() override {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
};

constexpr int64_t kMorning = 1727175020;  // 2024-09-24 10:50:20 UTC

StepMetrics example() {
  StepMetrics metrics;
  metrics.step = 10, metrics.total_steps = 500, metrics.consumed_samples = 1280;
  metrics.seconds = 5.8213, metrics.tflops = 158.3, metrics.learning_rate = 2.5e-5, metrics.global_batch_size = 128;
  metrics.loss = 1.234567, metrics.grad_norm = 0.987;
  return metrics;
}

TEST_F(MegatronLine, EqualsTheContractsExample) {
  EXPECT_EQ(megatron_line(example(), kMorning),
            " [2024-09-24 10:50:20] iteration       10/     500 | consumed samples:         1280 |"
            " elapsed time per iteration (ms): 5821.3 | throughput per GPU (TFLOP/s/GPU): 158.3 |"
            " learning rate: 2.500000E-05 | global batch size:   128 | lm loss: 1.234567E+00 | loss scale: 1.0 |"
            " grad norm: 0.987 | number of skipped iterations:   0 | number of nan iterations:   0 |");
}

TEST_F(MegatronLine, ShowsTheBalanceOfExpertsAfterTheLoss) {
  StepMetrics metrics = example();
  metrics.aux_loss = 2.0625;
  EXPECT_NE(megatron_line(metrics, kMorning).find("| lm loss: 1.234567E+00 | load_balancing_loss: 2.062500E+00 | loss scale"),
            std::string::npos);
}

TEST_F(MegatronLine, WidensForNumbersLongerThanTheirColumn) {
  StepMetrics metrics = example();
  metrics.step = 123456789, metrics.total_steps = 1234567890, metrics.consumed_samples = 12345678901234;
  metrics.global_batch_size = 1234567, metrics.skipped_iterations = 12345;
  const std::string line = megatron_line(metrics, kMorning);
  EXPECT_NE(line.find("iteration 123456789/1234567890 | consumed samples: 12345678901234 |"), line.npos);
  EXPECT_NE(line.find("global batch size: 1234567 |"), line.npos);
  EXPECT_NE(line.find("skipped iterations: 12345 |"), line.npos);
}

TEST_F(MegatronLine, WritesNanAndInfinityAsPythonDoes) {
  StepMetrics metrics = example();
  metrics.loss = std::numeric_limits<double>::quiet_NaN(), metrics.grad_norm = std::numeric_limits<double>::infinity();
  const std::string line = megatron_line(metrics, kMorning);
  EXPECT_NE(line.find("lm loss: NAN |"), line.npos);
  EXPECT_NE(line.find("grad norm: inf |"), line.npos);
}

TEST_F(MegatronLine, ShowsLocalTime) {
  ::setenv("TZ", "CST-8", 1);
  ::tzset();
  EXPECT_EQ(megatron_line(example(), kMorning).substr(0, 22), " [2024-09-24 18:50:20]");
}

}  // namespace
}  // namespace ingot::monitor
