#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace ingot {

/// What a line of progress is made of.
struct ProgressState {
  std::string label, unit, note;
  uint64_t total = 0, done = 0;
  double seconds = 0;
  enum class Phase { kUnderWay, kWhole, kCutShort } phase = Phase::kUnderWay;
};

/// "loading weights [######..................]  25% 1.00 GiB, 512.00 MiB/s, ETA 0:06". A phase that is whole says 100% whatever was
/// counted (of a file that is read in parts, of compressed bytes), and no other does.
std::string progress_line(const ProgressState& state);

/// Progress of one phase on standard error: a bar with rate and ETA on a terminal, else a line every ten seconds.
/// `add` may be called from any thread. The destructor writes the closing line of a phase longer than a second; the phase is whole
/// unless an exception or a stop ended it.
class Progress {
 public:
  /// `total` in units; 0 when unknown. `unit` is what is counted: "B" is shown as KiB, MiB, GiB.
  Progress(std::string label, uint64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void add(uint64_t units);
  /// A short text behind the bar, such as "loss 2.31".
  void note(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(ProgressState::Phase phase);
  ProgressState state_;  // but for what is done
  std::atomic<uint64_t> done_{0};
  std::atomic<Clock::rep> next_draw_;
  Clock::time_point start_;
  int exceptions_;  // that were under way when the phase began
  bool terminal_, drawn_ = false;
  std::mutex mutex_;
};

/// "1:02:03" or "2:03".
std::string format_duration(double seconds);

/// "1.50 GiB" for unit "B", "12.3k tokens" for others.
std::string format_count(double count, const std::string& unit);

}  // namespace ingot
