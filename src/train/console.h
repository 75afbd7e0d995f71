#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/progress.h"
#include "monitor/metrics.h"

namespace ingot::train {

/// What a user sees of training: a Megatron line at every `logging_steps`-th step, and at the last, on standard output and,
/// when standard error is a terminal, a bar with ETA, loss, tokens/s and share of the matrix rate. The line's losses, time and
/// throughput are means over the steps since the line before, every step with the same weight, as Trainer and Megatron print
/// them; a session that resumes inside an interval begins its mean there. The bar shows the step's own.
class Console {
 public:
  /// `remaining_steps` is the length of the bar.
  Console(int64_t remaining_steps, int64_t logging_steps);
  void step(const monitor::StepMetrics& metrics);
  void evaluation(int64_t step, double loss, double perplexity) const;
  /// Logs steps, time, tokens/s and share of the matrix rate of this session, when it had a step.
  void summary();

 private:
  monitor::StepMetrics interval_mean(monitor::StepMetrics last);
  int64_t logging_steps_, num_steps_ = 0;
  uint64_t tokens_ = 0;
  double seconds_ = 0, peak_seconds_ = 0;  // peak_seconds_: those that the same FLOPs take at the matrix rate
  std::vector<monitor::StepMetrics> interval_;  // the steps since the last line
  std::unique_ptr<Progress> bar_;  // null without a terminal
};

}  // namespace ingot::train
