#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ingot::workflows {

struct LaunchRequest {
  std::vector<std::string> command;     // a verb of this program with its arguments
  std::optional<int64_t> nproc;         // ranks of this node; absent: as the environment says, else 1
  std::optional<int64_t> nnodes, node_rank;
  std::optional<std::string> master_addr;
  std::optional<uint16_t> master_port;
  std::filesystem::path log_dir;        // empty: a new folder among the temporary files
  std::chrono::seconds grace{30};
};

/// Starts the ranks of this node and waits for them; launch/local_ranks.h. What the request leaves out comes from the environment of
/// Kubeflow, Volcano or ModelArts (launch/rank_variables.h). Throws ConfigError when more than one node is asked for and it is not known
/// which this one is, or where rank 0 is.
int launch(const LaunchRequest& request);

}  // namespace ingot::workflows
