#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace ingot::launch {

/// Variables of our own: the secret of a job (proof.h), and of which start of it a rank is, where its launcher holds the ranks' meeting.
constexpr const char* kTokenVariable = "INGOT_TOKEN";
constexpr const char* kRoundVariable = "INGOT_ROUND";
/// A descriptor into which a rank writes that it is alive (sign_of_life.h).
constexpr const char* kLifeVariable = "INGOT_LIFE";

/// What a launcher's variables say about this process: it is rank `rank` of `size` already, or it is alone on one of several nodes and
/// has to start the node's ranks itself.
struct RankVariables {
  std::string source;  // whose variables: "torchrun", "Slurm" ...
  bool is_rank = false;
  int64_t rank = 0, size = 1, local_rank = 0;     // of a rank
  int64_t node_rank = 0, num_nodes = 1;           // of a node
  std::optional<int64_t> ranks_per_node;          // where stated; of a rank, those of its own node
  std::string master_addr;                        // host of rank 0
  uint16_t master_port = 29500;                   // torchrun's own, where not stated
};

/// Value of a variable of the environment; nothing when it is not set or empty.
using Variables = std::function<std::optional<std::string>(const std::string& name)>;
Variables process_environment();

/// The first complete set, in the order of PLATFORM §2.5: torchrun's variables of a rank, Open MPI's, Slurm's; of a node Kubeflow's PET_*,
/// Volcano's pytorch plugin, ModelArts' MA_* and VC_*, an indexed Job's. Nothing: the process is alone. Throws ConfigError naming the
/// variable when a number is none, or a rank is not below the size.
std::optional<RankVariables> find_rank_variables(const Variables& variables);

/// This process as a rank of several; nothing: it is alone. Throws as find_rank_variables, and ConfigError of a node of several, on which
/// ingot launch has to start the ranks.
std::optional<RankVariables> find_own_rank(const Variables& variables);

}  // namespace ingot::launch
