#include <ATen/ATen.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "checkpoint/run_checkpoint.h"
#include "checkpoint/support.h"
#include "temporary_folder.h"

namespace ingot::checkpoint {
namespace {
namespace fs = std::filesystem;

constexpr int kKills = 30, kTensors = 6;
constexpr int64_t kElements = 20'000;

at::Tensor content(int64_t step, int number) {
  return at::full({kElements}, static_cast<double>(step * kTensors + number), at::kFloat);
}

/// Saves one step after another, each in three files, and writes a byte to `report` after each; never returns.
[[noreturn]] void save_forever(const fs::path& folder, int64_t first_step, int report) {
  CheckpointWriter writer(folder, 2, 2 * kElements * 4);
  for (int64_t step = first_step;; ++step) {
    RunState state{{}, Json{{"step", step}}};
    for (int i = 0; i < kTensors; ++i) state.tensors.push_back({"t" + std::to_string(i), content(step, i)});
    writer.save(step, state);
    writer.wait();
    if (::write(report, "s", 1) != 1) ::_exit(1);
  }
}

/// Lets a child save from `first_step` on and kills it some microseconds after its `saves`-th report. Returns the last
/// step that it reported.
int64_t save_and_kill(const fs::path& folder, int64_t first_step, int saves, int microseconds) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) save_forever(folder, first_step, ends[1]);
  ::close(ends[1]);
  char reported = 0;
  int64_t last = first_step - 1;
  while (last < first_step + saves - 1 && ::read(ends[0], &reported, 1) == 1) ++last;
  ::usleep(static_cast<useconds_t>(microseconds));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  while (::read(ends[0], &reported, 1) == 1) ++last;
  ::close(ends[0]);
  return last;
}

void expect_sound(const LoadedCheckpoint& loaded) {
  ASSERT_EQ(loaded.store.tensors().size(), static_cast<size_t>(kTensors));
  EXPECT_EQ(loaded.store.state()["step"], loaded.info.step);
  for (int i = 0; i < kTensors; ++i)
    EXPECT_TRUE(at::equal(loaded.store.read("t" + std::to_string(i)), content(loaded.info.step, i)));
}

TEST(RunCheckpoint, SurvivesThirtyKillsAtRandomInstants) {
  const TemporaryFolder folder;
  std::mt19937 random(2024);
  int64_t completed = 0;
  int caught_in_a_save = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    completed = save_and_kill(folder.path(), completed + 1, 1 + static_cast<int>(random() % 2),
                              static_cast<int>(random() % 12'000));
    for (const auto& entry : fs::directory_iterator(folder.path()))
      caught_in_a_save += entry.path().filename().string().starts_with(".staging-");
    const auto loaded = load_newest_checkpoint(folder.path());
    ASSERT_TRUE(loaded);
    EXPECT_GE(loaded->info.step, completed) << "a completed step was lost";
    EXPECT_LE(loaded->info.step, completed + 1);
    expect_sound(*loaded);
    completed = loaded->info.step;
  }
  EXPECT_GT(caught_in_a_save, 3) << "the kills never hit a save";
}

}  // namespace
}  // namespace ingot::checkpoint
