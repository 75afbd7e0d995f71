#include "core/failure.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <system_error>

#include "core/file.h"
#include "core/mapped_ranges.h"
#include "core/memory.h"
#include "core/stop.h"
#include "temporary_folder.h"

namespace ingot {
namespace {
namespace fs = std::filesystem;

Failure failure_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const std::exception& error) {
    return describe_failure(error);
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(Failure, IsWhatOneOfOurErrorsSays) {
  const auto failure = failure_of([] { throw DataError("a.json: not so"); });
  EXPECT_EQ(failure.code, kExitData);
  EXPECT_EQ(failure.message, "a.json: not so");
}

TEST(Failure, NamesThePathThatTheSystemRefuses) {
  const TemporaryFolder folder;
  fs::create_symlink("loop", folder / "loop");
  const std::string long_name(300, 'n');
  for (const fs::path& path : {folder / "loop", folder / long_name}) {
    const auto failure = failure_of([&] { (void)fs::exists(path); });
    EXPECT_EQ(failure.code, kExitConfig) << failure.message;
    EXPECT_NE(failure.message.find(path.string()), std::string::npos) << failure.message;
  }
}

TEST(Failure, OfAPathToReadIsTheUsersOrMissing) {
  const TemporaryFolder folder;
  fs::create_symlink("loop", folder / "loop");
  std::ofstream(folder / "plain") << "x";
  EXPECT_EQ(failure_of([&] { read_file(folder / "loop"); }).code, kExitConfig);
  EXPECT_EQ(failure_of([&] { read_file(folder / "plain/below"); }).code, kExitConfig);
  EXPECT_EQ(failure_of([&] { MappedFile(folder / std::string(300, 'n')); }).code, kExitConfig);
  EXPECT_EQ(failure_of([&] { read_file(folder / "absent"); }).code, kExitData);
  EXPECT_EQ(failure_of([&] { make_folder(folder / "plain/below"); }).code, kExitConfig);
  EXPECT_EQ(failure_of([&] { write_file(folder / std::string(300, 'n'), "x"); }).code, kExitConfig);
}

TEST(Failure, OfDiskMemoryAndThreadsIsTheMachines) {
  EXPECT_EQ(exit_code_of(ENOSPC), kExitComm);
  EXPECT_EQ(exit_code_of(EIO), kExitComm);
  EXPECT_EQ(exit_code_of(EACCES), kExitConfig);
  const auto thread = failure_of([] { throw std::system_error(EAGAIN, std::generic_category()); });
  EXPECT_EQ(thread.code, kExitComm);
  EXPECT_NE(thread.message.find("thread"), std::string::npos);
}

TEST(Failure, OfAnAllocationSaysWhatWasAskedForWhatIsThereAndWhatIsNeeded) {
  note_memory_need("this run needs 3 GiB");
  const auto ours = failure_of([] { throw std::bad_alloc(); });
  const auto torch = failure_of(
      [] { throw std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4398046511104 bytes. Error code 12"); });
  note_memory_need("");
  for (const auto& failure : {ours, torch}) {
    EXPECT_EQ(failure.code, kExitComm);
    EXPECT_NE(failure.message.find("are available; this run needs 3 GiB"), std::string::npos) << failure.message;
  }
  EXPECT_NE(torch.message.find("4398046511104 bytes were asked for"), std::string::npos) << torch.message;
}

TEST(Failure, OfAnythingElseIsABug) { EXPECT_EQ(failure_of([] { throw std::out_of_range("map::at"); }).code, kExitBug); }

TEST(Memory, OfTheMachineIsAtLeastWhatIsAvailable) {
  const Memory memory = machine_memory();
  EXPECT_GT(memory.available, 0u);
  EXPECT_GE(memory.total, memory.available);
}

/// Reads a mapped file whose second page is cut away.
void read_a_file_that_shrinks(const fs::path& file) {
  report_lost_mappings();
  std::ofstream(file) << std::string(3 * 65536, 'x');
  const MappedFile mapped(file);
  fs::resize_file(file, 1000);
  volatile char found = 0;
  for (const std::byte byte : mapped.bytes()) found = static_cast<char>(byte);
  (void)found;
}

TEST(MappedFileDeathTest, ThatShrinksIsALineThatNamesItAndExit4) {
  const TemporaryFolder folder;
  EXPECT_EXIT(read_a_file_that_shrinks(folder / "weights.bin"), testing::ExitedWithCode(kExitComm), "weights.bin: cannot be read any more");
}

TEST(MappedFileDeathTest, ABusErrorElsewhereEndsTheProcessAsEver) {
  EXPECT_EXIT(report_lost_mappings(); ::raise(SIGBUS); ::raise(SIGBUS), testing::KilledBySignal(SIGBUS), "");
}

void stop_twice(int64_t step, int64_t saved) {
  clear_stop();
  if (step >= 0) note_step(step), note_saved_step(saved);
  request_stop(SIGTERM);
  request_stop(SIGTERM);
}

TEST(StopDeathTest, ASecondSignalSaysWhatIsNotSaved) {
  const auto exit143 = testing::ExitedWithCode(kExitTerminated);
  EXPECT_EXIT(stop_twice(-1, 0), exit143, "what was under way is not saved");
  EXPECT_EXIT(stop_twice(7, 5), exit143, "not saved: step 6 to 7; the last checkpoint is of step 5");
  EXPECT_EXIT(stop_twice(7, 0), exit143, "not saved: step 1 to 7; there is no checkpoint");
  EXPECT_EXIT(stop_twice(7, 7), exit143, "saved up to step 7");
}

}  // namespace
}  // namespace ingot
