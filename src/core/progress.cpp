#include "core/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/log.h"

namespace ingot {
namespace {

constexpr int kBarWidth = 24;
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

Progress::Progress(std::string label, uint64_t total, std::string unit)
    : label_(std::move(label)), unit_(std::move(unit)), total_(total), start_(Clock::now()),
      terminal_(::isatty(STDERR_FILENO) != 0) {
  next_draw_ = (start_ + (terminal_ ? Clock::duration(kTerminalPeriod) : Clock::duration(kLogPeriod))).time_since_epoch().count();
}

Progress::~Progress() {
  if (drawn_ || Clock::now() - start_ > std::chrono::seconds(1)) draw(true);
}

void Progress::add(uint64_t units) {
  done_ += units;
  const auto now = Clock::now();
  auto due = next_draw_.load();
  const auto period = terminal_ ? Clock::duration(kTerminalPeriod) : Clock::duration(kLogPeriod);
  if (now.time_since_epoch().count() >= due &&
      next_draw_.compare_exchange_strong(due, (now + period).time_since_epoch().count()))
    draw(false);
}

void Progress::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  note_ = text;
}

void Progress::draw(bool last) {
  const std::lock_guard lock(mutex_);
  if (is_quiet()) return;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double done = static_cast<double>(done_.load()), rate = seconds > 0 ? done / seconds : 0;
  std::string text = label_ + " ";
  if (total_ > 0) {
    const double share = std::min(1.0, done / static_cast<double>(total_));
    const int filled = static_cast<int>(share * kBarWidth);
    text += fmt::format("[{}{}] {:3.0f}% ", std::string(filled, '#'), std::string(kBarWidth - filled, '.'), share * 100);
  }
  text += fmt::format("{}, {}/s", format_count(done, unit_), format_count(rate, unit_));
  if (last) text += ", took " + format_duration(seconds);
  else if (total_ > 0 && rate > 0) text += ", ETA " + format_duration((static_cast<double>(total_) - done) / rate);
  if (!note_.empty()) text += ", " + note_;
  if (terminal_) fmt::print(stderr, "\r\x1b[K{}{}", text, last ? "\n" : "");
  else log_info(text);
  std::fflush(stderr);
}

}  // namespace ingot
