#include "workflows/launch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "config/train_config.h"
#include "core/error.h"
#include "core/log.h"
#include "launch/host_agent.h"
#include "launch/host_desk.h"
#include "launch/meeting.h"
#include "launch/proof.h"
#include "launch/rank_group.h"
#include "launch/rank_variables.h"
#include "workflows/rank_sharing.h"

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
  const bool is_known = request.node_rank || (found && !found->is_rank);
  if (node.num_nodes > 1 && !is_known && !request.min_nnodes) throw ConfigError(fmt::format("--node-rank: found none, wanted 0 to {}", node.num_nodes - 1));
  if (!is_known && request.min_nnodes) node.node_rank = -1;
  if (node.node_rank >= node.num_nodes)
    throw ConfigError(fmt::format("--node-rank: found {}, wanted 0 to {}", node.node_rank, node.num_nodes - 1));
  return node;
}

/// Where the ranks' logs go: without a folder from the user one among the temporary files, which stays where there are logs of a failure.
class LogFolder {
 public:
  explicit LogFolder(const fs::path& of_user) : is_temporary_(of_user.empty()), path_(of_user) {
    if (!is_temporary_) return;
    std::string path = fs::temp_directory_path() / "ingot-ranks-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) throw CommError(fmt::format("{}: cannot be made: {}", path, std::strerror(errno)));
    path_ = path;
  }
  LogFolder(const LogFolder&) = delete;
  ~LogFolder() {
    if (std::error_code ignored; is_temporary_) ended_well_ ? fs::remove_all(path_, ignored) : fs::remove(path_, ignored);
  }

  void ended(int status) { ended_well_ = status == kExitOk || status == kExitTerminated; }
  const fs::path& path() const { return path_; }
  std::string words() const { return path_.string() + (is_temporary_ ? ", which is kept if the job fails (ingot launch --log-dir: always)" : ""); }

 private:
  const bool is_temporary_;
  bool ended_well_ = false;
  fs::path path_;
};

/// Of train: its configuration, as the ranks will read it.
config::TrainConfig config_of(const std::vector<std::string>& command) {
  fs::path file;
  std::vector<std::string> overrides;
  for (size_t i = 1; i < command.size(); ++i) {
    if (command[i] == "--set" && i + 1 < command.size()) overrides.push_back(command[++i]);
    else if (command[i].starts_with("--set=")) overrides.push_back(command[i].substr(6));
    else if (!command[i].starts_with("-")) file = command[i];
  }
  return config::load_train_config(file, overrides);
}

/// The largest number of ranks that can share the run, as its configuration says.
std::function<int64_t(int64_t)> possible_ranks(const std::vector<std::string>& command) {
  return [config = config_of(command)](int64_t most) { return most_ranks(config, most); };
}

std::string token_of(int64_t num_nodes) {
  if (const auto token = launch::process_environment()(launch::kTokenVariable)) return *token;
  if (num_nodes == 1) return launch::random_secret();
  log_warning(fmt::format("{} is not set: whoever reaches the port where the ranks meet can take part; set it to one secret on all nodes", launch::kTokenVariable));
  return "";
}

launch::LocalRanks ranks_of(const LaunchRequest& request, const launch::RankVariables& node, const fs::path& log_folder) {
  launch::LocalRanks ranks;
  ranks.command = {fs::read_symlink("/proc/self/exe").string()};
  if (is_quiet()) ranks.command.push_back("--quiet");
  ranks.command.insert(ranks.command.end(), request.command.begin(), request.command.end());
  ranks.count = request.nproc.value_or(node.ranks_per_node.value_or(1));
  ranks.grace = request.grace, ranks.silence = request.silence;
  ranks.log_folder = log_folder;
  return ranks;
}

/// The ranks meet in files alone.
int launch_preprocess(const launch::RankVariables& node, launch::LocalRanks ranks) {
  ranks.first_rank = node.node_rank * ranks.count;
  ranks.num_ranks = node.num_nodes * ranks.count;
  if (node.num_nodes > 1) ranks.master_addr = node.master_addr, ranks.master_port = node.master_port;
  ranks.stop_others = true;
  return launch::run_local_ranks(ranks);
}

int launch_train(const LaunchRequest& request, const launch::RankVariables& node, const launch::LocalRanks& ranks) {
  const bool is_alone = node.num_nodes == 1;
  launch::Door door{.host = is_alone ? "127.0.0.1" : node.master_addr, .port = is_alone ? uint16_t{0} : node.master_port, .token = token_of(node.num_nodes),
                    .patience = request.patience};
  std::optional<launch::Meeting> meeting;
  if (node.node_rank == 0) {
    launch::HostRules rules{.min_hosts = request.min_nnodes.value_or(node.num_nodes), .max_hosts = node.num_nodes, .max_restarts = request.max_restarts,
                            .patience = request.patience, .silence = request.silence, .possible_ranks = possible_ranks(request.command)};
    meeting.emplace(launch::listen_at(door.host, door.port), door.token, std::make_unique<launch::HostDesk>(std::move(rules)));
    door.port = meeting->port();
  }
  return launch::attend({.door = door, .place = node.node_rank, .count = ranks.count, .min_count = request.min_nproc.value_or(ranks.count), .ranks = ranks});
}

}  // namespace

int launch(const LaunchRequest& request) {
  const std::string verb = request.command.empty() ? "" : request.command[0];
  if (verb != "train" && verb != "preprocess")
    throw ConfigError(fmt::format("ingot launch: found {}, wanted train or preprocess: other verbs are one process",
                                  fmt::join(request.command, " ")));
  if (verb == "preprocess" && (request.max_restarts > 0 || request.min_nproc || request.min_nnodes))
    throw ConfigError("ingot launch: found preprocess with --max-restarts, --min-nproc or --nnodes MIN:MAX, wanted train: the same command again goes on by itself");
  const auto node = node_of(request);
  LogFolder logs(request.log_dir);
  const auto ranks = ranks_of(request, node, logs.path());
  if (request.min_nproc && *request.min_nproc > ranks.count)
    throw ConfigError(fmt::format("--min-nproc: found {}, wanted at most the {} ranks of this node", *request.min_nproc, ranks.count));
  log_info(fmt::format("{} on this node ({}); the logs of its ranks are in {}", verb, node.source, logs.words()));
  const int status = verb == "preprocess" ? launch_preprocess(node, ranks) : launch_train(request, node, ranks);
  logs.ended(status);
  return status;
}

}  // namespace ingot::workflows
