#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/progress.h"
#include "monitor/metrics.h"

namespace ingot::train {

/// What a user sees of training: the Megatron line of every `logging_steps`-th step, and of the last, on standard
/// output and, when standard error is a terminal, a bar with ETA, loss, tokens/s and share of the matrix rate.
class Console {
 public:
  /// `remaining_steps` is the length of the bar.
  Console(int64_t remaining_steps, int64_t logging_steps);
  void step(const monitor::StepMetrics& metrics);
  void evaluation(int64_t step, double loss, double perplexity) const;
  /// Logs steps, time, tokens/s and share of the matrix rate of this session, when it had a step.
  void summary();

 private:
  int64_t logging_steps_, num_steps_ = 0;
  uint64_t tokens_ = 0;
  double seconds_ = 0, peak_seconds_ = 0;  // peak_seconds_: those that the same FLOPs take at the matrix rate
  std::unique_ptr<Progress> bar_;  // null without a terminal
};

}  // namespace ingot::train
