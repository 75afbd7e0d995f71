#include <charconv>

#include "cli/commands.h"

namespace ingot::cli {
namespace {

/// "4" or "2:4".
std::string read_nodes(const std::string& text, workflows::LaunchRequest& request) {
  const auto number = [](std::string_view digits) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() && value >= 1 && value <= 65536 ? value : 0;
  };
  const size_t colon = text.find(':');
  const int64_t most = number(std::string_view(text).substr(colon == std::string::npos ? 0 : colon + 1));
  const int64_t least = colon == std::string::npos ? most : number(std::string_view(text).substr(0, colon));
  if (most == 0 || least == 0 || least > most) return "found " + text + ", wanted N or MIN:MAX, from 1 to 65536";
  request.nnodes = most;
  if (colon != std::string::npos) request.min_nnodes = least;
  return {};
}

void add_seconds(CLI::App* verb, const char* flag, std::chrono::seconds& value, int64_t least, const char* meaning) {
  verb->add_option_function<int64_t>(flag, [&value](int64_t seconds) { value = std::chrono::seconds(seconds); }, meaning)
      ->check(CLI::Range(least, int64_t{1} << 31))->default_str(std::to_string(value.count()));
}

}  // namespace

void add_restart_flags(CLI::App* verb, workflows::LaunchRequest& request) {
  verb->add_option("--max-restarts", request.max_restarts, "How often the job is started again, from the newest checkpoint, after a rank or node was lost")
      ->check(CLI::NonNegativeNumber)->capture_default_str();
  verb->add_option("--min-nproc", request.min_nproc, "Restart without the ranks that were killed, down to so many; with all of them when not given")
      ->check(CLI::Range(1, 65536));
}

void add_launch(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::LaunchRequest>();
  CLI::App* verb = add_verb(app, "launch", "Start the ranks of a job on this machine and watch over them",
                            "  ingot launch --nproc 2 -- train run.yaml\n"
                            "  ingot launch --nproc 8 --nnodes 2 --node-rank 0 --master-addr node-0 -- train run.yaml    # and on node-1: --node-rank 1\n"
                            "  ingot launch --nproc 8 --nnodes 3:4 --max-restarts 5 --master-addr node-0 -- train run.yaml    # on node-0: --node-rank 0\n"
                            "  ingot launch --nproc 4 -- preprocess run.yaml\n\n"
                            "What the flags leave out comes from the variables of Kubeflow, Volcano or ModelArts. torchrun, mpirun and srun start\n"
                            "ranks themselves: they need no ingot launch. INGOT_TOKEN, one secret on all nodes, keeps strangers out.");
  verb->add_option("--nproc", request->nproc, "Ranks of this node")->check(CLI::Range(1, 65536));
  verb->add_option("--nnodes", "Nodes of the job; MIN:MAX: it runs on fewer where some are lost, and those that come later wait as spares")
      ->type_name("N|MIN:MAX")
      ->each([request](const std::string& text) {
        if (const auto problem = read_nodes(text, *request); !problem.empty()) throw CLI::ValidationError("--nnodes", problem);
      });
  verb->add_option("--node-rank", request->node_rank, "Which of them this one is, from 0")->check(CLI::NonNegativeNumber);
  verb->add_option("--master-addr", request->master_addr, "Host of node 0");
  verb->add_option("--master-port", request->master_port, "Port on node 0 at which the ranks meet")->check(CLI::Range(1, 65535));
  verb->add_option("--log-dir", request->log_dir, "Folder for rank_0.log, rank_1.log ...; when not given one among the temporary files, kept where the job fails");
  add_restart_flags(verb, *request);
  add_seconds(verb, "--grace", request->grace, 0, "Seconds that the other ranks have to end after one has failed");
  add_seconds(verb, "--silence", request->silence, 3, "Seconds without a sign of life after which a rank or node counts as lost");
  add_seconds(verb, "--patience", request->patience, 0, "Seconds to wait for nodes that are missing");
  verb->add_option("command", request->command, "Verb and arguments of every rank, behind --")->required();
  verb->callback([request, job = jobs.launch, &exit_code] { exit_code = job(*request); });
}

}  // namespace ingot::cli
