#include "train/disk_need.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "temporary_folder.h"

namespace ingot::train {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

RunSizes full() {
  return {.trainable = kMiB, .value_bytes = 2, .export_bytes = 2 * kMiB, .save_steps = 10, .save_total_limit = 2, .max_steps = 100};
}

TEST(DiskNeed, CountsWeightsMastersAndMomentsOfEveryCheckpoint) {
  const auto need = disk_need(full());
  EXPECT_EQ(need.checkpoint, 14 * kMiB);
  EXPECT_EQ(need.num_checkpoints, 3u);
  EXPECT_EQ(need.exported, 2 * kMiB);
  EXPECT_EQ(need.total(), 44 * kMiB);
}

TEST(DiskNeed, HasNoMastersOfFloat32) {
  auto sizes = full();
  sizes.value_bytes = 4;
  EXPECT_EQ(disk_need(sizes).checkpoint, 12 * kMiB);
}

TEST(DiskNeed, CountsTheAdapterBesideTheMergedModel) {
  auto sizes = full();
  sizes.trainable = 1000, sizes.lora = true;
  EXPECT_EQ(disk_need(sizes).checkpoint, 14000u);
  EXPECT_EQ(disk_need(sizes).exported, 2 * kMiB + 4000);
}

TEST(DiskNeed, KeepsAsManyCheckpointsAsTheRunMakes) {
  auto sizes = full();
  sizes.save_total_limit = 0;
  EXPECT_EQ(disk_need(sizes).num_checkpoints, 10u);
  sizes.max_steps = 101;
  EXPECT_EQ(disk_need(sizes).num_checkpoints, 11u);
  sizes.save_steps = 0;
  EXPECT_EQ(disk_need(sizes).num_checkpoints, 1u);
  sizes = full(), sizes.max_steps = 15;
  EXPECT_EQ(disk_need(sizes).num_checkpoints, 2u);
}

TEST(DiskNeed, AsksForNoMoreThanTheLimitWhereTheStepsAreNotKnown) {
  auto sizes = full();
  sizes.max_steps = {};
  EXPECT_EQ(disk_need(sizes).num_checkpoints, 2u);
  sizes.save_total_limit = 0;
  EXPECT_EQ(disk_need(sizes).num_checkpoints, 1u);
}

TEST(CheckDisk, RefusesWhatNoDiskHoldsAndNamesBoth) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(check_disk(folder / "run", {.checkpoint = 1, .num_checkpoints = 1}));
  try {
    check_disk(folder / "run", {.checkpoint = uint64_t{1} << 60, .num_checkpoints = 2});
    FAIL();
  } catch (const CommError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("output_dir"), text.npos);
    EXPECT_NE(text.find("2 checkpoints of 1048576.00 TiB"), text.npos) << text;
  }
}

TEST(CheckDisk, CountsCheckpointsThatAreThere) {
  const TemporaryFolder folder;
  make_folder(folder / "checkpoints");
  write_file(folder / "checkpoints/state", std::string(1000, 'x'));
  EXPECT_NO_THROW(check_disk(folder / "", {.checkpoint = 1000, .num_checkpoints = 1}));
}

}  // namespace
}  // namespace ingot::train
