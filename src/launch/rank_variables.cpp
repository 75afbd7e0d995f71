#include "launch/rank_variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "core/error.h"

namespace ingot::launch {
namespace {

int64_t number(const std::string& name, const std::string& text, int64_t least, int64_t most) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw ConfigError(fmt::format("environment variable {}: found {}, wanted a number from {} to {}", name, text, least, most));
  return value;
}

/// A set of variables that is read until one is missing.
class Set {
 public:
  explicit Set(const Variables& variables) : variables_(variables) {}
  bool is_complete() const { return complete_; }

  std::string text(const std::string& name) {
    const auto found = variables_(name);
    complete_ = complete_ && found;
    return found.value_or("");
  }

  int64_t count(const std::string& name, int64_t least = 1) {
    const auto found = text(name);
    return found.empty() ? least : number(name, found, least, std::numeric_limits<int32_t>::max());
  }

  int64_t index(const std::string& name, int64_t size) {
    const auto found = text(name);
    return complete_ ? number(name, found, 0, size - 1) : 0;
  }

  /// `absent` when it is not set.
  uint16_t port(const std::string& name, uint16_t absent) const {
    const auto found = variables_(name);
    return found ? static_cast<uint16_t>(number(name, *found, 1, 65535)) : absent;
  }

 private:
  const Variables& variables_;
  bool complete_ = true;
};

/// The first of "a,b,c".
std::string first_of(const std::string& hosts) { return hosts.substr(0, hosts.find(',')); }

/// The first host of Slurm's list: "node[007-010,12],other" is node007.
std::string first_slurm_host(const std::string& hosts) {
  const size_t bracket = hosts.find('[');
  if (bracket == std::string::npos || bracket > hosts.find(',')) return first_of(hosts);
  const size_t end = hosts.find_first_of("-,]", bracket);
  return end == std::string::npos ? hosts : hosts.substr(0, bracket) + hosts.substr(bracket + 1, end - bracket - 1);
}

using Found = std::optional<RankVariables>;

/// A rank whose launcher counts it by these three names.
RankVariables rank_by(Set& set, const char* source, const char* rank, const char* size, const char* local_rank) {
  RankVariables found{.source = source, .is_rank = true};
  found.size = set.count(size);
  found.rank = set.index(rank, found.size);
  found.local_rank = set.index(local_rank, found.size);
  found.master_port = set.port("MASTER_PORT", found.master_port);
  return found;
}

std::optional<int64_t> stated(const Variables& variables, const char* name) {
  const auto found = variables(name);
  return found ? std::optional(number(name, *found, 1, 65536)) : std::nullopt;
}

Found of_torchrun(const Variables& variables) {
  if (!variables("LOCAL_RANK") && !variables("LOCAL_WORLD_SIZE")) return {};  // then RANK counts nodes
  Set set(variables);
  RankVariables found = rank_by(set, "torchrun", "RANK", "WORLD_SIZE", variables("LOCAL_RANK") ? "LOCAL_RANK" : "RANK");
  found.master_addr = set.text("MASTER_ADDR");
  found.ranks_per_node = stated(variables, "LOCAL_WORLD_SIZE");
  return set.is_complete() ? Found(found) : Found();
}

Found of_open_mpi(const Variables& variables) {
  Set set(variables);
  RankVariables found = rank_by(set, "Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK");
  found.master_addr = variables("MASTER_ADDR").value_or("127.0.0.1");
  found.ranks_per_node = stated(variables, "OMPI_COMM_WORLD_LOCAL_SIZE");
  const bool has_master = variables("MASTER_ADDR") || variables("OMPI_COMM_WORLD_LOCAL_SIZE") == variables("OMPI_COMM_WORLD_SIZE");
  return set.is_complete() && has_master ? Found(found) : Found();
}

Found of_slurm(const Variables& variables) {
  Set set(variables);
  RankVariables found = rank_by(set, "Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID");
  const auto hosts = set.text("SLURM_STEP_NODELIST");  // srun's: in a batch script itself there are no ranks
  found.master_addr = variables("MASTER_ADDR").value_or(first_slurm_host(hosts));
  return set.is_complete() ? Found(found) : Found();
}

/// A node that its launcher counts by these names.
RankVariables node_by(Set& set, const char* source, const char* node_rank, const char* num_nodes, const char* port) {
  RankVariables found{.source = source};
  found.num_nodes = set.count(num_nodes);
  found.node_rank = set.index(node_rank, found.num_nodes);
  found.master_port = set.port(port, found.master_port);
  return found;
}

Found of_kubeflow(const Variables& variables) {
  Set set(variables);
  RankVariables found = node_by(set, "Kubeflow Trainer (PET_*)", "PET_NODE_RANK", "PET_NNODES", "PET_MASTER_PORT");
  found.master_addr = set.text("PET_MASTER_ADDR");
  const auto ranks = variables("PET_NPROC_PER_NODE");
  if (ranks && *ranks != "auto") found.ranks_per_node = number("PET_NPROC_PER_NODE", *ranks, 1, 65536);
  return set.is_complete() ? Found(found) : Found();
}

Found of_volcano(const Variables& variables) {
  Set set(variables);
  RankVariables found = node_by(set, "Volcano's pytorch plugin", "RANK", "WORLD_SIZE", "MASTER_PORT");
  found.master_addr = set.text("MASTER_ADDR");
  return set.is_complete() ? Found(found) : Found();
}

Found of_modelarts(const Variables& variables) {
  if (variables("NNODES")) {  // what the ModelArts scripts take
    Set set(variables);
    RankVariables found = node_by(set, "NNODES, NODE_RANK, MASTER_ADDR", variables("NODE_RANK") ? "NODE_RANK" : "JOB_COMPLETION_INDEX", "NNODES", "MASTER_PORT");
    found.master_addr = set.text("MASTER_ADDR");
    if (set.is_complete()) return found;
  }
  Set set(variables);
  RankVariables found = node_by(set, "ModelArts (MA_*, VC_*)", variables("RANK_AFTER_ACC") ? "RANK_AFTER_ACC" : "VC_TASK_INDEX",
                                variables("MA_NUM_HOSTS") ? "MA_NUM_HOSTS" : "VC_WORKER_NUM", "MASTER_PORT");
  found.master_addr = first_of(set.text("VC_WORKER_HOSTS"));
  if (const auto devices = variables("MA_NUM_GPUS")) found.ranks_per_node = std::max<int64_t>(1, number("MA_NUM_GPUS", *devices, 0, 65536));
  return set.is_complete() ? Found(found) : Found();
}

}  // namespace

Variables process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value != nullptr && *value != 0 ? std::optional<std::string>(value) : std::nullopt;
  };
}

std::optional<RankVariables> find_rank_variables(const Variables& variables) {
  for (const auto reader : {of_torchrun, of_open_mpi, of_slurm, of_kubeflow, of_volcano, of_modelarts})
    if (const auto found = reader(variables)) return found;
  return {};
}

std::optional<RankVariables> find_own_rank(const Variables& variables) {
  auto found = find_rank_variables(variables);
  if (!found || (found->is_rank && found->size == 1) || (!found->is_rank && found->num_nodes == 1)) return {};
  if (!found->is_rank)
    throw ConfigError(fmt::format("{} says that this is node {} of {}: start it with ingot launch, which starts the ranks of a node", found->source,
                                  found->node_rank, found->num_nodes));
  return found;
}

}  // namespace ingot::launch
