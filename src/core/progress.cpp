#include "core/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>

#include "core/log.h"
#include "core/stop.h"

namespace ingot {
namespace {

constexpr int kBarWidth = 24;
constexpr double kAlmost = 0.999;  // share shown at most of a phase that is not whole
constexpr auto kTerminalPeriod = std::chrono::milliseconds(100);
constexpr auto kLogPeriod = std::chrono::seconds(10);

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::max(0.0, seconds) + 0.5);
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60;
  return hours ? fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60) : fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string format_count(double count, const std::string& unit) {
  static constexpr std::array<const char*, 5> kBinary{"B", "KiB", "MiB", "GiB", "TiB"};
  static constexpr std::array<const char*, 5> kDecimal{"", "k", "M", "G", "T"};
  const bool bytes = unit == "B";
  const double base = bytes ? 1024 : 1000;
  size_t power = 0;
  for (; count >= base && power + 1 < kBinary.size(); ++power) count /= base;
  const std::string number = power == 0 ? fmt::format("{:.0f}", count) : fmt::format("{:.2f}", count);
  return bytes ? fmt::format("{} {}", number, kBinary[power]) : fmt::format("{}{} {}", number, kDecimal[power], unit);
}

std::string progress_line(const ProgressState& state) {
  const double done = static_cast<double>(state.done), total = static_cast<double>(state.total);
  const bool is_whole = state.phase == ProgressState::Phase::kWhole;
  const double rate = state.seconds > 0 ? done / state.seconds : 0;
  std::string text = state.label + " ";
  if (state.total > 0) {
    const double share = is_whole ? 1 : std::min(kAlmost, done / total);
    const int filled = static_cast<int>(share * kBarWidth);
    text += fmt::format("[{}{}] {:3}% ", std::string(filled, '#'), std::string(kBarWidth - filled, '.'), static_cast<int>(share * 100));
  }
  text += fmt::format("{}, {}/s", format_count(done, state.unit), format_count(rate, state.unit));
  if (state.phase != ProgressState::Phase::kUnderWay) text += (is_whole ? ", took " : ", ended after ") + format_duration(state.seconds);
  else if (state.total > 0 && rate > 0) text += ", ETA " + format_duration((total - done) / rate);
  return state.note.empty() ? text : text + ", " + state.note;
}

Progress::Progress(std::string label, uint64_t total, std::string unit)
    : state_{.label = std::move(label), .unit = std::move(unit), .note = {}, .total = total}, start_(Clock::now()),
      exceptions_(std::uncaught_exceptions()), terminal_(::isatty(STDERR_FILENO) != 0) {
  next_draw_ = (start_ + (terminal_ ? Clock::duration(kTerminalPeriod) : Clock::duration(kLogPeriod))).time_since_epoch().count();
}

Progress::~Progress() {
  const bool cut_short = std::uncaught_exceptions() > exceptions_ || stop_requested() != 0;
  if (drawn_ || Clock::now() - start_ > std::chrono::seconds(1))
    draw(cut_short ? ProgressState::Phase::kCutShort : ProgressState::Phase::kWhole);
}

void Progress::add(uint64_t units) {
  done_ += units;
  const auto now = Clock::now();
  auto due = next_draw_.load();
  const auto period = terminal_ ? Clock::duration(kTerminalPeriod) : Clock::duration(kLogPeriod);
  if (now.time_since_epoch().count() >= due &&
      next_draw_.compare_exchange_strong(due, (now + period).time_since_epoch().count()))
    draw(ProgressState::Phase::kUnderWay);
}

void Progress::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  state_.note = text;
}

void Progress::draw(ProgressState::Phase phase) {
  const std::lock_guard lock(mutex_);
  if (is_quiet()) return;
  drawn_ = true;
  state_.phase = phase;
  state_.done = done_.load();
  state_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const std::string text = progress_line(state_);
  if (terminal_) write_or_lose(stderr, fmt::format("\r\x1b[K{}{}", text, phase == ProgressState::Phase::kUnderWay ? "" : "\n"));
  else log_info(text);
  std::fflush(stderr);
}

}  // namespace ingot
