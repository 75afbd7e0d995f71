#include "checkpoint/own_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/run_checkpoint.h"
#include "checkpoint/support.h"
#include "core/error.h"
#include "core/file.h"
#include "temporary_folder.h"
#include "version_one_checkpoint.h"

namespace ingot::checkpoint {
namespace {
namespace fs = std::filesystem;

RunState small_state(int64_t step) { return {{{"model.w", at::full({4}, step)}}, Json{{"step", step}}}; }

void save(const fs::path& folder, int64_t step, int64_t limit = 0) {
  CheckpointWriter writer(folder, limit);
  writer.save(step, small_state(step));
  writer.wait();
}

TEST(OwnFolder, KnowsCheckpointsOfBothVersionsByTheirFiles) {
  const TemporaryFolder folder;
  save(folder.path(), 1);
  write_version_one(folder / "iter_0000002", 2, {}, small_state(2).tensors);
  for (const char* name : {"iter_0000001", "iter_0000002"}) {
    EXPECT_TRUE(is_own_checkpoint(folder / name)) << name;
    put_file(folder / name / "thesis.txt", "mine");
    EXPECT_FALSE(is_own_checkpoint(folder / name)) << name;
  }
}

TEST(OwnFolder, KnowsADamagedCheckpointByTheNamesOfItsFiles) {
  const TemporaryFolder folder;
  save(folder.path(), 1);
  put_file(folder / "iter_0000001/manifest.json", "{");
  EXPECT_TRUE(is_own_checkpoint(folder / "iter_0000001"));
  put_file(folder / "iter_0000001/manifest.json", R"({"name": "my app"})");
  EXPECT_FALSE(is_own_checkpoint(folder / "iter_0000001"));
}

TEST(OwnFolder, ASaveNeverTakesThePlaceOfAForeignFolder) {
  const TemporaryFolder folder;
  make_folder(folder / "iter_0000002");
  put_file(folder / "iter_0000002/thesis.txt", "mine");
  EXPECT_THROW(save(folder.path(), 2), ConfigError);
  EXPECT_EQ(read_file(folder / "iter_0000002/thesis.txt"), "mine");
}

TEST(OwnFolder, AForeignFolderThatIsInNobodysWayStopsNoSaveAndStays) {
  const TemporaryFolder folder;
  make_folder(folder / "iter_0000001");
  put_file(folder / "iter_0000001/thesis.txt", "mine");
  for (const int64_t step : {2, 3, 4}) save(folder.path(), step, 1);
  EXPECT_EQ(list_checkpoints(folder.path()).size(), 1u);
  EXPECT_EQ(read_file(folder / "iter_0000001/thesis.txt"), "mine");
  EXPECT_THROW(check_no_foreign_checkpoint(folder.path()), ConfigError);
}

TEST(OwnFolder, AnEmptyFolderOrNoneIsInNobodysWay) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(check_not_foreign(folder / "iter_0000001"));
  make_folder(folder / "iter_0000001");
  EXPECT_NO_THROW(check_not_foreign(folder / "iter_0000001"));
  put_file(folder / "iter_0000002", "a file");
  EXPECT_THROW(check_not_foreign(folder / "iter_0000002"), ConfigError);
}

}  // namespace
}  // namespace ingot::checkpoint
