#include "train/schedule.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace ingot::train {
namespace {

const std::vector<std::string> kTypes = {"cosine", "linear", "constant", "wsd"};

/// How much of the way from `begin` to `end` lies behind `step`, 0..1.
double progress(int64_t step, int64_t begin, int64_t end) {
  if (end <= begin) return step < end ? 0.0 : 1.0;
  return std::clamp(static_cast<double>(step - begin) / static_cast<double>(end - begin), 0.0, 1.0);
}

}  // namespace

void ScheduleConfig::check(Problems& problems) const {
  const bool known = std::find(kTypes.begin(), kTypes.end(), lr_scheduler_type) != kTypes.end();
  problems.expect(known, "lr_scheduler_type", lr_scheduler_type, fmt::format("one of {}", fmt::join(kTypes, ", ")));
  problems.expect(std::isfinite(learning_rate) && learning_rate >= 0, "learning_rate", learning_rate, "0 or more");
  problems.expect(min_learning_rate >= 0 && min_learning_rate <= learning_rate, "min_lr", min_learning_rate,
                  fmt::format("from 0 to learning_rate = {}", learning_rate));
  problems.expect(total_steps >= 1, "max_steps", total_steps, "1 or more");
  problems.expect(warmup_steps >= 0 && warmup_steps < std::max<int64_t>(1, total_steps), "warmup_steps", warmup_steps,
                  fmt::format("fewer than all {} steps", total_steps));
  if (lr_scheduler_type != "wsd") return;
  problems.expect(decay_steps >= 1, "lr_wsd_decay_steps", decay_steps, "1 or more with lr_scheduler_type wsd");
  problems.expect(decay_steps <= total_steps - warmup_steps, "lr_wsd_decay_steps", decay_steps,
                  fmt::format("at most the {} steps after the warm-up", total_steps - warmup_steps));
}

double learning_rate_at(const ScheduleConfig& config, int64_t step) {
  const double peak = config.learning_rate, least = config.min_learning_rate;
  if (step < config.warmup_steps)
    return peak * static_cast<double>(step + 1) / static_cast<double>(config.warmup_steps);
  if (config.lr_scheduler_type == "constant") return peak;
  const bool wsd = config.lr_scheduler_type == "wsd";
  const int64_t begin = wsd ? config.total_steps - config.decay_steps : config.warmup_steps;
  const double done = progress(step, begin, config.total_steps);
  const double left = config.lr_scheduler_type == "cosine" ? 0.5 * (1 + std::cos(std::numbers::pi * done)) : 1 - done;
  return least + (peak - least) * left;
}

}  // namespace ingot::train
