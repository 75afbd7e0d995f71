#pragma once

#include <cstdint>
#include <string>

#include "core/problems.h"

namespace ingot::train {

/// Learning rate by step: linear warm-up, then "cosine", "linear", "constant" or "wsd" (warm-up, stable, decay) down to
/// min_learning_rate.
struct ScheduleConfig {
  std::string lr_scheduler_type = "cosine";
  double learning_rate = 5e-5, min_learning_rate = 0;
  int64_t warmup_steps = 0, total_steps = 1;
  int64_t decay_steps = 0;  // wsd: length of the last, linear part
  void check(Problems& problems) const;
};

/// The rate of update `step` (0-based). With w warm-up steps of T:
///   warm-up  lr * (step + 1) / w      transformers multiplies by step / w, which loses the first update
///   cosine   min + (lr - min) * (1 + cos(pi * p)) / 2      with p = (step - w) / (T - w)
///   linear   min + (lr - min) * (1 - p)
///   wsd      lr until T - decay_steps, then linear with p = (step - T + decay_steps) / decay_steps
/// From T on p stays 1. After the warm-up these are the formulas of transformers.get_scheduler.
double learning_rate_at(const ScheduleConfig& config, int64_t step);

}  // namespace ingot::train
