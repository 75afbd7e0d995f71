#include "cli/commands.h"

namespace ingot::cli {

void add_launch(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::LaunchRequest>();
  CLI::App* verb = add_verb(app, "launch", "Start the ranks of a job on this machine and watch over them",
                            "  ingot launch --nproc 2 -- train run.yaml\n"
                            "  ingot launch --nproc 8 --nnodes 2 --node-rank 0 --master-addr node-0 -- train run.yaml    # and on node-1: --node-rank 1\n"
                            "  ingot launch --nproc 4 -- preprocess run.yaml\n\n"
                            "What the flags leave out comes from the variables of Kubeflow, Volcano or ModelArts. torchrun, mpirun and srun start\n"
                            "ranks themselves: they need no ingot launch.");
  verb->add_option("--nproc", request->nproc, "Ranks of this node")->check(CLI::Range(1, 65536));
  verb->add_option("--nnodes", request->nnodes, "Nodes of the job")->check(CLI::Range(1, 65536));
  verb->add_option("--node-rank", request->node_rank, "Which of them this one is, from 0")->check(CLI::NonNegativeNumber);
  verb->add_option("--master-addr", request->master_addr, "Host of node 0");
  verb->add_option("--master-port", request->master_port, "Port on node 0 at which the ranks meet")->check(CLI::Range(1, 65535));
  verb->add_option("--log-dir", request->log_dir, "Folder for rank_0.log, rank_1.log ...; a new one among the temporary files when not given");
  verb->add_option_function<int64_t>("--grace", [request](int64_t seconds) { request->grace = std::chrono::seconds(seconds); },
                                     "Seconds that the other ranks have to end after one has failed")
      ->check(CLI::NonNegativeNumber)->default_str("30");
  verb->add_option("command", request->command, "Verb and arguments of every rank, behind --")->required();
  verb->callback([request, job = jobs.launch, &exit_code] { exit_code = job(*request); });
}

}  // namespace ingot::cli
