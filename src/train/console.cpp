#include "train/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "core/log.h"

namespace ingot::train {
namespace {

/// One line on standard output, in place of a bar that stands on the same terminal.
void print_line(const std::string& line) {
  if (::isatty(STDERR_FILENO)) {
    write_or_lose(stderr, "\r\x1b[K");
    std::fflush(stderr);
  }
  write_or_lose(stdout, line + "\n");
  std::fflush(stdout);
}

}  // namespace

Console::Console(int64_t remaining_steps, int64_t logging_steps) : logging_steps_(logging_steps) {
  if (::isatty(STDERR_FILENO) && remaining_steps > 0)
    bar_ = std::make_unique<Progress>("training", static_cast<uint64_t>(remaining_steps), "steps");
}

void Console::step(const monitor::StepMetrics& metrics) {
  interval_.push_back(metrics);
  if (metrics.step % logging_steps_ == 0 || metrics.step == metrics.total_steps)
    print_line(monitor::megatron_line(interval_mean(metrics), std::time(nullptr)));
  ++num_steps_;
  tokens_ += metrics.tokens;
  seconds_ += metrics.seconds;
  peak_seconds_ += metrics.seconds * metrics.peak_share;
  if (!bar_) return;
  bar_->note(fmt::format("loss {:.4f}, {}/s, {:.0f}% of the matrix rate", metrics.loss,
                         format_count(metrics.tokens_per_second, "tokens"), metrics.peak_share * 100));
  bar_->add(1);
}

monitor::StepMetrics Console::interval_mean(monitor::StepMetrics last) {
  const auto mean = [&](auto field) {
    double sum = 0;
    for (const auto& step : interval_) sum += field(step);
    return sum / static_cast<double>(interval_.size());
  };
  last.loss = mean([](const auto& step) { return step.loss; });
  last.seconds = mean([](const auto& step) { return step.seconds; });
  last.tflops = mean([](const auto& step) { return step.tflops * step.seconds; }) / last.seconds;
  if (last.aux_loss) last.aux_loss = mean([](const auto& step) { return step.aux_loss.value_or(0); });
  interval_.clear();
  return last;
}

void Console::summary() {
  bar_.reset();
  if (num_steps_ == 0) return;
  const std::string rate = format_count(static_cast<double>(tokens_) / seconds_, "tokens");
  log_info(fmt::format("{} steps in {}: {}/s, {:.0f}% of the matrix rate", num_steps_, format_duration(seconds_), rate,
                       100 * peak_seconds_ / seconds_));
}

void Console::evaluation(int64_t step, double loss, double perplexity) const {
  print_line(fmt::format(" validation loss at iteration {} | lm loss value: {:.6E} | lm loss PPL: {:.6E} |", step, loss,
                         perplexity));
}

}  // namespace ingot::train
