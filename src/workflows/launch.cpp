#include "workflows/launch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/log.h"
#include "launch/local_ranks.h"
#include "launch/rank_variables.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

/// Flags come before variables.
launch::RankVariables node_of(const LaunchRequest& request) {
  const auto found = launch::find_rank_variables(launch::process_environment());
  if (found && found->is_rank && found->size > 1)
    throw ConfigError(fmt::format("{} has already started this process as rank {} of {}: leave out ingot launch", found->source, found->rank, found->size));
  launch::RankVariables node = found.value_or(launch::RankVariables{.source = "flags"});
  node.num_nodes = request.nnodes.value_or(node.num_nodes);
  node.node_rank = request.node_rank.value_or(node.node_rank);
  node.master_addr = request.master_addr.value_or(node.master_addr);
  node.master_port = request.master_port.value_or(node.master_port);
  if (node.num_nodes > 1 && node.master_addr.empty())
    throw ConfigError(fmt::format("--master-addr: found none, wanted the host of node 0 of {}", node.num_nodes));
  if (node.num_nodes > 1 && !request.node_rank && (!found || found->is_rank))
    throw ConfigError(fmt::format("--node-rank: found none, wanted 0 to {}", node.num_nodes - 1));
  if (node.node_rank >= node.num_nodes)
    throw ConfigError(fmt::format("--node-rank: found {}, wanted 0 to {}", node.node_rank, node.num_nodes - 1));
  return node;
}

fs::path new_log_folder() {
  std::string path = fs::temp_directory_path() / "ingot-ranks-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) throw CommError(fmt::format("{}: cannot be made: {}", path, std::strerror(errno)));
  return path;
}

}  // namespace

int launch(const LaunchRequest& request) {
  const std::string verb = request.command.empty() ? "" : request.command[0];
  if (verb != "train" && verb != "preprocess")
    throw ConfigError(fmt::format("ingot launch: found {}, wanted train or preprocess: other verbs are one process",
                                  fmt::join(request.command, " ")));
  const auto node = node_of(request);
  launch::LocalRanks ranks;
  ranks.command = {fs::read_symlink("/proc/self/exe").string()};
  if (is_quiet()) ranks.command.push_back("--quiet");
  ranks.command.insert(ranks.command.end(), request.command.begin(), request.command.end());
  ranks.count = request.nproc.value_or(node.ranks_per_node.value_or(1));
  ranks.first_rank = node.node_rank * ranks.count;
  ranks.num_ranks = node.num_nodes * ranks.count;
  ranks.grace = request.grace;
  ranks.stop_others = verb == "preprocess";  // its ranks meet in files alone
  if (node.num_nodes > 1) ranks.master_addr = node.master_addr, ranks.master_port = node.master_port;
  ranks.log_folder = request.log_dir.empty() ? new_log_folder() : request.log_dir;
  log_info(fmt::format("starting ranks {} to {} of {} ({}); their logs are in {}", ranks.first_rank, ranks.first_rank + ranks.count - 1, ranks.num_ranks,
                       node.source, ranks.log_folder.string()));
  return launch::run_local_ranks(ranks);
}

}  // namespace ingot::workflows
