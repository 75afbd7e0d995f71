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
  std::optional<int64_t> min_nnodes, nnodes;  // it runs on fewer than `nnodes` where no more come, and others wait as spares; absent: on so many alone
  std::optional<int64_t> node_rank;
  std::optional<std::string> master_addr;
  std::optional<uint16_t> master_port;
  std::filesystem::path log_dir;        // empty: a new folder among the temporary files, which goes when all ends well
  std::chrono::seconds grace{30};       // that ranks have to end after one has failed
  std::chrono::seconds silence{30};     // without a sign of life, after which a rank or a node is lost
  std::chrono::seconds patience{600};   // for nodes that are missing
  int64_t max_restarts = 0;             // after a failure, from the newest checkpoint
  std::optional<int64_t> min_nproc;     // the place of a rank that was killed is not used again down to so many; absent: it is
};

/// Starts the ranks of this node and waits for them (launch/rank_group.h); those of train meet where node 0 is (launch/host_desk.h), guarded by the
/// token that INGOT_TOKEN names, of one node alone by a random one. What the request leaves out comes from the environment of
/// Kubeflow, Volcano or ModelArts (launch/rank_variables.h). Throws ConfigError when more than one node is asked for and it is not known
/// which this one is, or where rank 0 is; CommError as launch::attend.
int launch(const LaunchRequest& request);

}  // namespace ingot::workflows
