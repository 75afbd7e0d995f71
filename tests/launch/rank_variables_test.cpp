#include "launch/rank_variables.h"

#include <gtest/gtest.h>

#include <map>

#include "core/error.h"

namespace ingot::launch {
namespace {

std::optional<RankVariables> found_in(const std::map<std::string, std::string>& variables) {
  return find_rank_variables([&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(RankVariables, ATorchrunProcessIsARank) {
  const auto found = found_in({{"RANK", "5"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"}, {"MASTER_ADDR", "node-0"}, {"MASTER_PORT", "1234"}}).value();
  EXPECT_TRUE(found.is_rank);
  EXPECT_EQ(found.rank, 5);
  EXPECT_EQ(found.size, 8);
  EXPECT_EQ(found.local_rank, 1);
  EXPECT_EQ(found.master_addr, "node-0");
  EXPECT_EQ(found.master_port, 1234);
  EXPECT_EQ(found.source, "torchrun");
}

TEST(RankVariables, ARankOfOneIsAloneAndANodeOfSeveralIsNoRank) {
  const auto own = [](const std::map<std::string, std::string>& variables) {
    return find_own_rank([&](const std::string& name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
  };
  EXPECT_FALSE(own({}));
  EXPECT_FALSE(own({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}, {"MASTER_ADDR", "a"}}));
  EXPECT_EQ(own({{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}, {"LOCAL_WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}}).value().ranks_per_node, 2);
  EXPECT_THROW(own({{"MASTER_ADDR", "10.0.0.1"}, {"NNODES", "4"}, {"NODE_RANK", "3"}}), ConfigError);
}

TEST(RankVariables, RankWithoutLocalRankCountsNodes) {
  const auto found = found_in({{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "job-master-0.job"}, {"MASTER_PORT", "23456"}}).value();
  EXPECT_FALSE(found.is_rank);
  EXPECT_EQ(found.node_rank, 1);
  EXPECT_EQ(found.num_nodes, 4);
  EXPECT_EQ(found.source, "Volcano's pytorch plugin");
}

TEST(RankVariables, KubeflowSaysRanksPerNode) {
  const auto found = found_in({{"PET_NNODES", "2"}, {"PET_NODE_RANK", "1"}, {"PET_MASTER_ADDR", "job-node-0-0.job"}, {"PET_NPROC_PER_NODE", "4"}}).value();
  EXPECT_EQ(found.node_rank, 1);
  EXPECT_EQ(found.ranks_per_node, 4);
  EXPECT_EQ(found.master_port, 29500);
  EXPECT_FALSE(found_in({{"PET_NNODES", "2"}, {"PET_NODE_RANK", "1"}, {"PET_MASTER_ADDR", "a"}, {"PET_NPROC_PER_NODE", "auto"}}).value().ranks_per_node);
}

TEST(RankVariables, ModelArtsTakesTheFirstWorkerAsMaster) {
  const auto found = found_in({{"MA_NUM_HOSTS", "2"}, {"MA_NUM_GPUS", "8"}, {"VC_TASK_INDEX", "1"}, {"VC_WORKER_HOSTS", "job-worker-0.job,job-worker-1.job"}}).value();
  EXPECT_EQ(found.master_addr, "job-worker-0.job");
  EXPECT_EQ(found.node_rank, 1);
  EXPECT_EQ(found.ranks_per_node, 8);
  EXPECT_EQ(found_in({{"MA_NUM_HOSTS", "2"}, {"VC_TASK_INDEX", "1"}, {"RANK_AFTER_ACC", "0"}, {"VC_WORKER_HOSTS", "a,b"}}).value().node_rank, 0);
}

TEST(RankVariables, TheScriptsVariablesNameNodes) {
  const auto found = found_in({{"MASTER_ADDR", "10.0.0.1"}, {"NNODES", "4"}, {"NODE_RANK", "3"}}).value();
  EXPECT_EQ(found.node_rank, 3);
  EXPECT_EQ(found.num_nodes, 4);
  EXPECT_EQ(found_in({{"MASTER_ADDR", "job-0.job"}, {"NNODES", "4"}, {"JOB_COMPLETION_INDEX", "2"}}).value().node_rank, 2);
}

TEST(RankVariables, SlurmNamesItsFirstHost) {
  const std::map<std::string, std::string> step{{"SLURM_PROCID", "3"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_LOCALID", "1"}};
  const auto with_hosts = [&](const std::string& hosts) {
    auto variables = step;
    variables["SLURM_STEP_NODELIST"] = hosts;
    return found_in(variables).value().master_addr;
  };
  EXPECT_EQ(with_hosts("node[007-010,12],other"), "node007");
  EXPECT_EQ(with_hosts("gpu[3,5]"), "gpu3");
  EXPECT_EQ(with_hosts("alone"), "alone");
  EXPECT_EQ(with_hosts("a,b[1-2]"), "a");
}

TEST(RankVariables, ABatchScriptOfSlurmIsNoRank) {
  EXPECT_FALSE(found_in({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "0"}, {"SLURM_JOB_NODELIST", "node[1-4]"}}));
}

TEST(RankVariables, OpenMpiOnOneHostNeedsNoMaster) {
  std::map<std::string, std::string> variables{{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                               {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  EXPECT_EQ(found_in(variables).value().master_addr, "127.0.0.1");
  variables["OMPI_COMM_WORLD_LOCAL_SIZE"] = "1";
  EXPECT_FALSE(found_in(variables));
}

TEST(RankVariables, AnIncompleteSetIsNone) {
  EXPECT_FALSE(found_in({}));
  EXPECT_FALSE(found_in({{"RANK", "1"}}));
  EXPECT_FALSE(found_in({{"RANK", "3"}, {"LOCAL_RANK", "1"}}));
  EXPECT_FALSE(found_in({{"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}}));
}

TEST(RankVariables, ANumberThatIsNoneIsNamed) {
  const auto message = [](const std::map<std::string, std::string>& variables) -> std::string {
    try {
      found_in(variables);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message({{"NNODES", "two"}, {"NODE_RANK", "0"}, {"MASTER_ADDR", "a"}}),
            "environment variable NNODES: found two, wanted a number from 1 to 2147483647");
  EXPECT_EQ(message({{"NNODES", "2"}, {"NODE_RANK", "2"}, {"MASTER_ADDR", "a"}}), "environment variable NODE_RANK: found 2, wanted a number from 0 to 1");
  EXPECT_EQ(message({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "70000"}}),
            "environment variable MASTER_PORT: found 70000, wanted a number from 1 to 65535");
}

}  // namespace
}  // namespace ingot::launch
