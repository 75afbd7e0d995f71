#include "checkpoint/run_checkpoint.h"

#include <ATen/ATen.h>
#include <sys/mount.h>

#include <fstream>

#include "checkpoint/manifest.h"
#include "core/staging.h"
#include "checkpoint/support.h"
#include "core/error.h"
#include "core/file.h"
#include "temporary_folder.h"
#include "version_one_checkpoint.h"

namespace ingot::checkpoint {
namespace {
namespace fs = std::filesystem;

/// A state that is different at every step.
RunState state_of(int64_t step) {
  const auto base = at::arange(600, at::kFloat) + static_cast<double>(step);
  return {{{"model.w", base.view({20, 30})},
           {"model.b", base.to(at::kBFloat16)},
           {"optimizer.step", at::tensor(step)},
           {"empty", at::empty({0, 4})}},
          Json{{"step", step}, {"rate", 0.1 / static_cast<double>(step)}}};
}

void expect_state(const LoadedCheckpoint& loaded, int64_t step) {
  const RunState wanted = state_of(step);
  EXPECT_EQ(loaded.info.step, step);
  EXPECT_EQ(loaded.store.state(), wanted.state);
  const auto found = loaded.store.tensors();
  ASSERT_EQ(found.size(), wanted.tensors.size());
  for (size_t i = 0; i < wanted.tensors.size(); ++i) {
    EXPECT_EQ(found[i].name, wanted.tensors[i].name);
    EXPECT_TRUE(at::equal(loaded.store.read(found[i].name), wanted.tensors[i].value)) << found[i].name;
  }
}

void save_steps(const fs::path& folder, std::initializer_list<int64_t> steps, int64_t limit = 0) {
  CheckpointWriter writer(folder, limit);
  for (const int64_t step : steps) writer.save(step, state_of(step));
  writer.wait();
}

std::vector<int64_t> steps_in(const fs::path& folder) {
  std::vector<int64_t> steps;
  for (const auto& info : list_checkpoints(folder)) steps.push_back(info.step);
  return steps;
}

size_t hidden_entries(const fs::path& folder) {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) count += entry.path().filename().string().starts_with(".");
  return count;
}

void flip_byte(const fs::path& file, uint64_t offset) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  const char flipped = static_cast<char>(stream.get() ^ 1);
  stream.seekp(static_cast<std::streamoff>(offset));
  stream.put(flipped);
}

TEST(RunCheckpoint, ReturnsWhatWasSaved) {
  const TemporaryFolder folder;
  save_steps(folder.path(), {7});
  expect_state(load_newest_checkpoint(folder.path()).value(), 7);
  EXPECT_EQ(read_file(folder / "latest_checkpointed_iteration.txt"), "7");
  EXPECT_TRUE(fs::exists(folder / "iter_0000007/state-00001-of-00001.safetensors"));
}

/// A state that no checkpoint can hold.
RunState unwritable_state() { return {{{"model.w", at::zeros({2}, at::kComplexFloat)}}, Json::object()}; }

TEST(RunCheckpoint, SavesThoughTheSaveBeforeFailed) {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), 0);
  writer.save(3, unwritable_state());
  writer.save(4, state_of(4));
  writer.wait();
  expect_state(load_newest_checkpoint(folder.path()).value(), 4);
}

TEST(RunCheckpoint, KeepsNobodyWaitingForATensorWhenTheSaveFails) {
  const TemporaryFolder folder;
  put_file(folder / "file", "in the way");
  const RunState state = state_of(3);
  CheckpointWriter writer(folder / "file", 0);
  writer.save(3, state);
  for (const auto& tensor : state.tensors) writer.wait_until_written(tensor.value);
  EXPECT_THROW(writer.wait(), ConfigError);
  writer.wait_until_written(at::zeros({2}));  // of no save
}

TEST(RunCheckpoint, GivesUpAtTheSecondFailureInARow) {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), 0);
  writer.save(3, unwritable_state());
  EXPECT_ANY_THROW(writer.save(4, unwritable_state()));
}

TEST(RunCheckpoint, ReadsVersionOne) {
  const TemporaryFolder folder;
  for (const int64_t step : {1, 2}) {
    const RunState state = state_of(step);
    write_version_one(folder / ("iter_000000" + std::to_string(step)), step, state.state, state.tensors);
  }
  expect_state(load_newest_checkpoint(folder.path()).value(), 2);
  for (const char* file : {"manifest.json", "state-00001-of-00001.safetensors"}) {
    flip_byte(folder / "iter_0000002" / file, 700);
    expect_state(load_newest_checkpoint(folder.path()).value(), 1);
    flip_byte(folder / "iter_0000002" / file, 700);
  }
}

TEST(RunCheckpoint, IsAbsentInAFolderWithoutOne) {
  const TemporaryFolder folder;
  EXPECT_FALSE(load_newest_checkpoint(folder.path()));
  EXPECT_FALSE(load_newest_checkpoint(folder / "not there"));
}

TEST(RunCheckpoint, KeepsTheStateOfTheCallToSave) {
  const TemporaryFolder folder;
  RunState state = state_of(3);
  CheckpointWriter writer(folder.path(), 0);
  writer.save(3, state);
  for (auto& tensor : state.tensors) {
    writer.wait_until_written(tensor.value);
    tensor.value.zero_();
  }
  writer.wait();
  expect_state(load_newest_checkpoint(folder.path()).value(), 3);
}

TEST(RunCheckpoint, SplitsIntoShards) {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), 0, 1200);
  writer.save(5, state_of(5));
  writer.wait();
  EXPECT_TRUE(fs::exists(folder / "iter_0000005/state-00003-of-00003.safetensors"));
  expect_state(load_newest_checkpoint(folder.path()).value(), 5);
}

TEST(RunCheckpoint, KeepsTheNewestOnesUpToTheLimit) {
  const TemporaryFolder folder;
  save_steps(folder.path(), {1, 2, 3, 4}, 2);
  EXPECT_EQ(steps_in(folder.path()), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(hidden_entries(folder.path()), 0u);
}

TEST(RunCheckpoint, ReplacesTheSameStep) {
  const TemporaryFolder folder;
  save_steps(folder.path(), {1, 2});
  flip_byte(folder / "iter_0000002/state-00001-of-00001.safetensors", 900);
  save_steps(folder.path(), {2});
  expect_state(load_newest_checkpoint(folder.path()).value(), 2);
  EXPECT_EQ(hidden_entries(folder.path()), 0u);
}

TEST(RunCheckpoint, FallsBackFromEveryFlippedByte) {
  const TemporaryFolder folder;
  save_steps(folder.path(), {1, 2});
  for (const auto& entry : fs::directory_iterator(folder / "iter_0000002")) {
    for (uint64_t i = 1; i <= 8; ++i) {
      const uint64_t offset = fs::file_size(entry.path()) * i / 9;
      flip_byte(entry.path(), offset);
      expect_state(load_newest_checkpoint(folder.path()).value(), 1);
      flip_byte(entry.path(), offset);
    }
  }
  expect_state(load_newest_checkpoint(folder.path()).value(), 2);
}

TEST(RunCheckpoint, NamesTheDamagedFileAndTheReason) {
  const TemporaryFolder folder;
  save_steps(folder.path(), {1, 2});
  flip_byte(folder / "iter_0000002/state-00001-of-00001.safetensors", 900);
  testing::internal::CaptureStderr();
  load_newest_checkpoint(folder.path());
  const std::string warning = testing::internal::GetCapturedStderr();
  EXPECT_NE(warning.find("iter_0000002 is damaged and not used"), std::string::npos) << warning;
  EXPECT_NE(warning.find("state-00001-of-00001.safetensors: digest of tensor \"model.w\" is"), std::string::npos) << warning;
}

TEST(RunCheckpoint, FallsBackFromMissingAndCutFiles) {
  const TemporaryFolder folder;
  save_steps(folder.path(), {1, 2, 3});
  fs::remove(folder / "iter_0000003/manifest.json");
  fs::resize_file(folder / "iter_0000002/state-00001-of-00001.safetensors", 100);
  expect_state(load_newest_checkpoint(folder.path()).value(), 1);
  fs::remove(folder / "iter_0000001/state-00001-of-00001.safetensors");
  expect_data_error([&] { load_newest_checkpoint(folder.path()); }, "none of its 3 checkpoints is sound");
}

TEST(RunCheckpoint, PrefersTheTrackedStepToLaterOnesOfAnotherRun) {
  const TemporaryFolder folder;
  save_steps(folder.path(), {10, 20});
  save_steps(folder.path(), {12}, 1);  // started again from 10 or before
  expect_state(load_newest_checkpoint(folder.path()).value(), 12);
  EXPECT_EQ(steps_in(folder.path()), (std::vector<int64_t>{12, 20}));
  put_file(folder / "latest_checkpointed_iteration.txt", "release");
  expect_state(load_newest_checkpoint(folder.path()).value(), 20);
}

TEST(RunCheckpoint, RefusesManifestNamesOutsideTheFolder) {
  const TemporaryFolder folder;
  save_steps(folder.path(), {1});
  Manifest manifest = read_manifest(folder / "iter_0000001/manifest.json");
  const FileRecord record = manifest.files.begin()->second;
  fs::rename(folder / "iter_0000001" / manifest.files.begin()->first, folder / "x.safetensors");
  manifest.files = {{"../x.safetensors", record}};
  for (auto& tensor : manifest.tensors) tensor.pieces[0].file = "../x.safetensors";
  put_file(folder / "iter_0000001/manifest.json", format_manifest(manifest));
  testing::internal::CaptureStderr();
  EXPECT_THROW(load_newest_checkpoint(folder.path()), DataError);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("points outside its folder"), std::string::npos);
}

TEST(RunCheckpoint, ASaveRemovesWhatKilledSavesLeftAndAReaderRemovesNothing) {
  const TemporaryFolder folder;
  fs::create_directories(folder / ".staging-iter_0000009-1");
  put_file(folder / ".staging-iter_0000009-1/manifest.json", "{");
  for (const char* foreign : {".staging-area", ".staging-other-1"}) fs::create_directories(folder / foreign);
  EXPECT_FALSE(load_newest_checkpoint(folder.path()));  // an export looks while a run saves
  EXPECT_TRUE(fs::exists(folder / ".staging-iter_0000009-1"));
  save_steps(folder.path(), {1});
  EXPECT_FALSE(fs::exists(folder / ".staging-iter_0000009-1"));
  EXPECT_TRUE(fs::exists(folder / ".staging-area") && fs::exists(folder / ".staging-other-1"));
}

TEST(RunCheckpoint, ReportsAFailedSaveAtTheNextCall) {
  const TemporaryFolder folder;
  put_file(folder / "file", "in the way");
  CheckpointWriter writer(folder / "file", 0);
  writer.save(1, state_of(1));
  EXPECT_THROW(writer.save(2, state_of(2)), ConfigError);
}

/// A disk of 1 MiB, where the test may make one.
class SmallDisk {
 public:
  SmallDisk() : mounted_(::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=1m") == 0) {}
  ~SmallDisk() {
    if (mounted_) ::umount(folder_.path().c_str());
  }
  bool mounted() const { return mounted_; }
  const fs::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  bool mounted_;
};

TEST(RunCheckpoint, AFullDiskLeavesTheOldOnesAndNothingElse) {
  const SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk is not permitted here";
  save_steps(disk.path(), {1});
  CheckpointWriter writer(disk.path(), 1);
  RunState large = state_of(2);
  large.tensors.push_back({"large", at::zeros({1 << 19})});
  writer.save(2, large);
  EXPECT_THROW(writer.wait(), CommError);
  EXPECT_EQ(hidden_entries(disk.path()), 0u);
  EXPECT_EQ(steps_in(disk.path()), (std::vector<int64_t>{1}));
  expect_state(load_newest_checkpoint(disk.path()).value(), 1);
}

}  // namespace
}  // namespace ingot::checkpoint
