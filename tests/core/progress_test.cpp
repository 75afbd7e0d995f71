#include "core/progress.h"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <stdexcept>

#include "core/stop.h"

namespace ingot {
namespace {

using Phase = ProgressState::Phase;

ProgressState state(uint64_t done, Phase phase) {
  return {.label = "loading", .unit = "B", .note = {}, .total = 2048, .done = done, .seconds = 2, .phase = phase};
}

TEST(ProgressLine, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(progress_line(state(1024, Phase::kUnderWay)), "loading [############............]  50% 1.00 KiB, 512 B/s, ETA 0:02");
}

TEST(ProgressLine, SaysAHundredPercentOfAWholePhaseWhateverWasCounted) {
  for (const uint64_t done : {uint64_t{0}, uint64_t{1024}, uint64_t{2048}, uint64_t{4096}})
    EXPECT_NE(progress_line(state(done, Phase::kWhole)).find("loading [########################] 100% "), std::string::npos) << done;
}

TEST(ProgressLine, SaysAHundredPercentOfNoOther) {
  for (const auto phase : {Phase::kUnderWay, Phase::kCutShort})
    for (const uint64_t done : {uint64_t{2047}, uint64_t{2048}, uint64_t{4096}})
      EXPECT_NE(progress_line(state(done, phase)).find("]  99% "), std::string::npos) << done;
  EXPECT_NE(progress_line(state(1, Phase::kCutShort)).find("ended after 0:02"), std::string::npos);
}

TEST(ProgressLine, HasNoShareOfAnUnknownTotal) {
  ProgressState unknown = state(10, Phase::kWhole);
  unknown.total = 0, unknown.unit = "rows", unknown.note = "loss 2.1";
  EXPECT_EQ(progress_line(unknown), "loading 10 rows, 5 rows/s, took 0:02, loss 2.1");
}

/// Standard error on a terminal of its own while it lives; gives what was written there.
class Terminal {
 public:
  Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY)), saved_(::dup(STDERR_FILENO)) {
    ::grantpt(master_), ::unlockpt(master_);
    const int slave = ::open(::ptsname(master_), O_RDWR | O_NOCTTY);
    ::dup2(slave, STDERR_FILENO);
    ::close(slave);
  }
  ~Terminal() { ::dup2(saved_, STDERR_FILENO), ::close(saved_), ::close(master_); }
  std::string text() const {
    const std::string end = "<end>";  // what a terminal is told comes through in pieces
    EXPECT_EQ(::write(STDERR_FILENO, end.data(), end.size()), static_cast<ssize_t>(end.size()));
    std::string text;
    for (char letter = 0; !text.ends_with(end) && ::read(master_, &letter, 1) == 1;) text += letter;
    return text;
  }

 private:
  int master_, saved_;
};

/// A phase that has drawn its bar, which is due a tenth of a second after its start.
std::unique_ptr<Progress> drawn_phase() {
  auto progress = std::make_unique<Progress>("phase", 1000, "rows");
  for (const auto start = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - start < std::chrono::milliseconds(120);) continue;
  progress->add(500);
  return progress;
}

TEST(Progress, EndsWholeUnlessAnExceptionOrAStopEndsIt) {
  const Terminal terminal;
  drawn_phase();
  EXPECT_NE(terminal.text().find("100%"), std::string::npos);
  try {
    const auto progress = drawn_phase();
    throw std::runtime_error("a disk");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(terminal.text().find("100%"), std::string::npos);
  {
    const auto progress = drawn_phase();
    request_stop(SIGTERM);
  }
  clear_stop();
  EXPECT_EQ(terminal.text().find("100%"), std::string::npos);
}

}  // namespace
}  // namespace ingot
