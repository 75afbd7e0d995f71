#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "monitor/metrics.h"

namespace ingot::monitor {

std::string megatron_line(const StepMetrics& metrics, int64_t unix_seconds) {
  std::string line = fmt::format(" [{:%Y-%m-%d %H:%M:%S}]", fmt::localtime(static_cast<std::time_t>(unix_seconds)));
  line += fmt::format(" iteration {:8d}/{:8d} |", metrics.step, metrics.total_steps);
  line += fmt::format(" consumed samples: {:12d} |", metrics.consumed_samples);
  line += fmt::format(" elapsed time per iteration (ms): {:.1f} |", metrics.seconds * 1000.0);
  line += fmt::format(" throughput per GPU (TFLOP/s/GPU): {:.1f} |", metrics.tflops);
  line += fmt::format(" learning rate: {:.6E} |", metrics.learning_rate);
  line += fmt::format(" global batch size: {:5d} |", metrics.global_batch_size);
  line += fmt::format(" lm loss: {:.6E} |", metrics.loss);
  if (metrics.aux_loss) line += fmt::format(" load_balancing_loss: {:.6E} |", *metrics.aux_loss);
  line += fmt::format(" loss scale: {:.1f} |", metrics.loss_scale);
  line += fmt::format(" grad norm: {:.3f} |", metrics.grad_norm);
  line += fmt::format(" number of skipped iterations: {:3d} |", metrics.skipped_iterations);
  line += fmt::format(" number of nan iterations: {:3d} |", metrics.nan_iterations);
  return line;
}

}  // namespace ingot::monitor
