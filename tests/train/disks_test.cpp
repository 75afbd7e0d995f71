// Runs whose folder lies on several disks, each rank's or each two's own. Ranks are threads here.
#include "train/disks.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <mutex>
#include <set>

#include "checkpoint/checkpoint_list.h"
#include "checkpoint/holding.h"
#include "core/error.h"
#include "core/file.h"
#include "core/stop.h"
#include "temporary_folder.h"
#include "train/loop.h"
#include "train/spread_checkpoint.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {
namespace fs = std::filesystem;
using checkpoint::CheckpointKey;
using checkpoint::Holding;
using checkpoint::what_is_missing;
using checkpoint::whole_checkpoints;
using Names = std::set<std::string>;

constexpr int64_t kPerStep = 16;
constexpr std::chrono::milliseconds kSight{300};

struct DisksOfRanks : testing::Test {
  void SetUp() override { clear_stop(); }

  LoopConfig config(int64_t steps) const {
    LoopConfig config;
    config.max_steps = steps, config.batch = {kPerStep, 2}, config.logical_shards = 8, config.save_steps = 2;
    config.schedule.learning_rate = 1e-2, config.schedule.lr_scheduler_type = "constant";
    config.optimizer.is_sharded = true, config.seed = seed;
    config.matrix_rate = 1e12;
    return config;
  }

  /// Trains on as many ranks as `places` names disks, to `steps`; on the one rank of one disk without Disks. Returns the parameters.
  at::Tensor train(const std::vector<std::string>& places, int64_t steps) {
    at::Tensor values;
    std::mutex mutex;
    parallel::run_ranks(std::ssize(places), [&](parallel::Communicator& ranks) {
      at::set_num_threads(1);
      auto loop = config(steps);
      loop.output_dir = folder / places[static_cast<size_t>(ranks.rank())];
      const Disks disks(ranks, loop.output_dir, kSight);
      const hub::RunFolder run(loop.output_dir);
      if (disks.count > 1 && disks.leads()) agree_on_checkpoint(disks, run);
      loop.disks = &disks;
      const auto model = tiny_llama();
      run_loop(*model, random_rows(100), {}, loop, ranks);
      if (disks.count > 1 && disks.leads() && gathers) gather_checkpoint(disks, run);
      std::vector<at::Tensor> flat;
      for (const auto& parameter : model->parameters.parameters) flat.push_back(parameter->value.detach().flatten());
      const std::lock_guard lock(mutex);
      if (ranks.rank() == 0) values = at::cat(flat);
    });
    return values;
  }

  Names files_in(const std::string& disk, const std::string& checkpoint) const {
    Names names;
    for (const auto& entry : fs::directory_iterator(folder / disk / "checkpoints" / checkpoint)) names.insert(entry.path().filename().string());
    return names;
  }

  std::string tracker(const std::string& disk) const { return read_file(folder / disk / "checkpoints" / "latest_checkpointed_iteration.txt"); }

  TemporaryFolder folder;
  bool gathers = false;
  uint64_t seed = 42;
};

TEST_F(DisksOfRanks, AreFoundByWhatRanksSee) {
  const std::vector<std::string> places{"a", "b", "a", "c", "b", "a"};
  parallel::run_ranks(6, [&](parallel::Communicator& ranks) {
    const auto place = places[static_cast<size_t>(ranks.rank())];
    const Disks disks(ranks, folder / place, kSight);
    EXPECT_EQ(disks.count, 3);
    EXPECT_EQ(disks.index, place[0] - 'a');
    EXPECT_EQ(disks.leader, place == "a" ? 0 : place == "b" ? 1 : 3);
    EXPECT_EQ(disks.own->size(), place == "a" ? 3 : place == "b" ? 2 : 1);
    EXPECT_EQ(disks.leads(), disks.leader == ranks.rank());
    EXPECT_EQ(disks.leaders != nullptr, disks.leads());
    if (disks.leads()) {
      EXPECT_EQ(disks.leaders->size(), 3);
      EXPECT_EQ(disks.leaders->rank(), disks.index);
    }
    ranks.barrier("all have looked");
    EXPECT_TRUE(fs::is_empty(folder / place));
  });
}

TEST_F(DisksOfRanks, OneThatAllSeeIsOne) {
  parallel::run_ranks(3, [&](parallel::Communicator& ranks) {
    const Disks disks(ranks, folder / "shared");
    EXPECT_EQ(disks.count, 1);
    EXPECT_EQ(disks.leads(), ranks.rank() == 0);
  });
}

TEST_F(DisksOfRanks, EachHasTheFilesOfItsRanksAndTheManifestOfAll) {
  const auto alone = train({"alone"}, 4);
  EXPECT_TRUE(train({"a", "a", "b", "b"}, 4).equal(alone));
  const auto a = files_in("a", "iter_0000004"), b = files_in("b", "iter_0000004");
  EXPECT_EQ(a, (Names{"manifest.json", "state-00000-00001-of-00001.safetensors", "state-00001-00001-of-00001.safetensors"}));
  EXPECT_EQ(b, (Names{"manifest.json", "state-00002-00001-of-00001.safetensors", "state-00003-00001-of-00001.safetensors"}));
  EXPECT_EQ(read_file(folder / "a/checkpoints/iter_0000004/manifest.json"), read_file(folder / "b/checkpoints/iter_0000004/manifest.json"));
  EXPECT_EQ(tracker("a"), "4");
  EXPECT_EQ(tracker("b"), "4");
  EXPECT_FALSE(fs::exists(folder / "b/metrics.jsonl"));
}

TEST_F(DisksOfRanks, TheRunGoesOnWithOtherRanksOnThemAndWithNewOnes) {
  const auto alone = train({"alone"}, 8);
  for (const std::vector<std::string>& next : {std::vector<std::string>{"a", "a", "b", "b"}, {"b", "a"}, {"b", "b", "a", "b"}, {"new", "a", "b", "a"}}) {
    for (const char* disk : {"a", "b", "new"}) fs::remove_all(folder / disk);
    train({"a", "a", "b", "b"}, 5);
    EXPECT_TRUE(train(next, 8).equal(alone)) << next.size() << " " << next.front();
    EXPECT_EQ(tracker("a"), "8");
  }
}

TEST_F(DisksOfRanks, OfAFileThatNoDiskHasTheStepBeforeIsTaken) {
  const auto alone = train({"alone"}, 8);
  train({"a", "b"}, 6);
  fs::remove(folder / "b/checkpoints/iter_0000006/state-00001-00001-of-00001.safetensors");
  parallel::run_ranks(2, [&](parallel::Communicator& ranks) {
    const hub::RunFolder run(folder / (ranks.rank() == 0 ? "a" : "b"));
    agree_on_checkpoint(Disks(ranks, run.path, kSight), run);
  });
  EXPECT_EQ(tracker("a"), "4");
  EXPECT_EQ(tracker("b"), "4");
  EXPECT_TRUE(train({"a", "b"}, 8).equal(alone));
}

TEST_F(DisksOfRanks, ADamagedFileComesFromADiskThatHasItWholeOrIsNotUsed) {
  const auto alone = train({"alone"}, 8);
  gathers = true;  // disk 0 has all of the last step
  train({"a", "b"}, 6);
  const fs::path file = folder / "b/checkpoints/iter_0000006/state-00001-00001-of-00001.safetensors";
  const auto whole = read_file(file);
  auto damaged = whole;
  damaged[damaged.size() - 3] ^= 1;
  std::ofstream(file, std::ios::binary) << damaged;
  make_folder(folder / "copies");
  for (const char* disk : {"a", "b"}) fs::copy(folder / disk, folder / "copies" / disk, fs::copy_options::recursive);
  EXPECT_TRUE(train({"a", "b"}, 8).equal(alone));
  EXPECT_EQ(read_file(file), whole);

  std::ofstream(folder / "copies/a/checkpoints/iter_0000006/state-00001-00001-of-00001.safetensors", std::ios::binary) << damaged;
  EXPECT_TRUE(train({"copies/a", "copies/b"}, 8).equal(alone));
}

TEST_F(DisksOfRanks, WithoutAWholeCheckpointNothingIsTrained) {
  train({"a", "b"}, 2);
  fs::remove(folder / "b/checkpoints/iter_0000002/state-00001-00001-of-00001.safetensors");
  std::string message;
  try {
    train({"a", "b"}, 4);
  } catch (const DataError& error) {
    message = error.what();
  }
  EXPECT_NE(message.find("no checkpoint is whole on the 2 disks of this job: none has these files of iter_0000002: state-00001-00001-of-00001.safetensors"), std::string::npos) << message;
}

TEST_F(DisksOfRanks, ASaveThatOneDiskRefusesLeavesTheOneBefore) {
  const auto alone = train({"alone"}, 6);
  train({"a", "b"}, 2);
  make_folder(folder / "b/checkpoints/iter_0000004");
  std::ofstream(folder / "b/checkpoints/iter_0000004/foreign.txt") << "x";
  EXPECT_THROW(train({"a", "b"}, 4), Error);
  EXPECT_EQ(tracker("a"), "2");
  EXPECT_EQ(tracker("b"), "2");
  EXPECT_EQ(files_in("a", "iter_0000002").size(), 2u);
  EXPECT_FALSE(fs::exists(folder / "a/checkpoints/iter_0000004"));  // it had been published there
  fs::remove_all(folder / "b/checkpoints/iter_0000004");
  EXPECT_TRUE(train({"a", "b"}, 6).equal(alone));
}

/// What the job says that refuses to train on these.
std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST_F(DisksOfRanks, RunsOfTwoKindsAreNotMixed) {
  train({"a", "a"}, 4);
  seed = 43;
  train({"b", "b"}, 6);
  const auto before = files_in("a", "iter_0000004");
  const auto said = refusal([&] { train({"a", "b"}, 8); });
  EXPECT_NE(said.find("b on "), std::string::npos) << said;
  EXPECT_NE(said.find("holds checkpoints of another run"), std::string::npos) << said;
  EXPECT_NE(said.find("seed: found"), std::string::npos) << said;
  EXPECT_EQ(tracker("a"), "4");
  EXPECT_EQ(tracker("b"), "6");
  EXPECT_EQ(files_in("a", "iter_0000004"), before);
}

TEST_F(DisksOfRanks, CheckpointsBehindALinkAreRefused) {
  train({"a", "b"}, 2);
  fs::rename(folder / "b/checkpoints", folder / "elsewhere");
  fs::create_directory_symlink(folder / "elsewhere", folder / "b/checkpoints");
  EXPECT_NE(refusal([&] { train({"a", "b"}, 4); }).find("b/checkpoints lies on another disk than"), std::string::npos);
}

TEST_F(DisksOfRanks, AHalfReceivedFileIsNoForeignOne) {
  const auto alone = train({"alone"}, 8);
  train({"a", "b"}, 6);
  std::ofstream(folder / "a/checkpoints/iter_0000006/.state-00001-00001-of-00001.safetensors.partial") << "half";
  EXPECT_EQ(checkpoint::list_checkpoints(folder / "a/checkpoints").size(), 2u);
  EXPECT_TRUE(train({"b", "a"}, 8).equal(alone));
}

TEST_F(DisksOfRanks, ManifestsThatAreAllDamagedAreNoFreshRun) {
  train({"a", "b"}, 2);
  for (const char* disk : {"a", "b"}) std::ofstream(folder / disk / "checkpoints/iter_0000002/manifest.json") << "{";
  EXPECT_THROW(train({"a", "b"}, 4), Error);
}

Holding holding(int64_t step, const Names& here, std::optional<int64_t> tracked = {}, const std::string& manifest = "x") {
  return {{{CheckpointKey{step, manifest}, {{"1", "2", "3"}, here}}}, tracked, 0};
}

TEST(Holdings, AreWholeWhereEachFileIsOnADisk) {
  EXPECT_EQ(whole_checkpoints({holding(4, {"1"}), holding(4, {"2", "3"})}), (std::vector<CheckpointKey>{{4, "x"}}));
  EXPECT_TRUE(whole_checkpoints({holding(4, {"1"}), holding(4, {"2"})}).empty());
  EXPECT_EQ(what_is_missing({holding(4, {"1"}), holding(4, {"2"})}), "iter_0000004: 3");
  EXPECT_TRUE(whole_checkpoints({holding(4, {"1"}), holding(4, {"2", "3"}, {}, "of another run")}).empty());
}

TEST(Holdings, BeginAtTheNewestStepThatADiskHasTracked) {
  auto one = holding(4, {"1", "2", "3"}, 4);
  one.checkpoints[{6, "x"}] = one.checkpoints[{2, "x"}] = one.checkpoints.begin()->second;
  EXPECT_EQ(whole_checkpoints({one}), (std::vector<CheckpointKey>{{4, "x"}, {2, "x"}, {6, "x"}}));
  const auto told = checkpoint::holding_from(to_json(one));
  EXPECT_EQ(whole_checkpoints({told, holding(6, {}, 6)}).front(), (CheckpointKey{6, "x"}));
}

}  // namespace
}  // namespace ingot::train
