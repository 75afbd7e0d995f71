#include <iostream>

#include "cli/commands.h"
#include "core/log.h"

namespace ingot::cli {
namespace {

/// A verb below modelarts that works on the variables of the environment.
CLI::App* add_step(CLI::App* above, const std::string& name, const std::string& summary, workflows::ModelArtsStep step,
                   const Job<workflows::ModelArtsRequest>& job, int& exit_code) {
  auto request = std::make_shared<workflows::ModelArtsRequest>();
  request->step = step;
  CLI::App* verb = above->add_subcommand(name, summary);
  verb->prefix_command();  // what is left are arguments of Megatron and ModelLink
  verb->callback([request, job, verb, &exit_code] {
    for (const auto& argument : verb->remaining()) {
      if (argument == "--dry-run") request->dry_run = true;
      else if (argument == "--quiet") set_quiet(true);
      else request->arguments.push_back(argument);
    }
    exit_code = job(*request);
  });
  return verb;
}

void add_performance(CLI::App* above, const Job<workflows::PerformanceRequest>& job, int& exit_code) {
  auto request = std::make_shared<workflows::PerformanceRequest>();
  CLI::App* verb = above->add_subcommand("performance", "Print tokens/s/p and the loss of a job from its logs, of Megatron's form whoever wrote them");
  verb->footer("Examples:\n"
               "  ingot modelarts performance saved_dir_for_output/llama2-13b/logs\n"
               "  ingot modelarts performance old.log --seq-length 4096 --cards 8 --json > old.json\n"
               "  ingot modelarts performance saved_dir_for_output/llama2-13b/logs --baseline old.json\n\n"
               "tokens/s/p = global batch size x sequence length / (cards x mean ms of an iteration) x 1000");
  verb->add_option("log", request->log, "A log, or the folder of a job's logs")->required();
  verb->add_option("--seq-length", request->seq_length, "Tokens of a sample; as the folder's configuration says when not given")->check(CLI::PositiveNumber);
  verb->add_option("--cards", request->cards, "Ranks of the job; as many as the folder has logs of ranks when not given")->check(CLI::PositiveNumber);
  verb->add_option("--skip", request->skip, "Iterations from the first on that are not counted")->check(CLI::NonNegativeNumber)->capture_default_str();
  verb->add_option("--baseline", request->baseline, "What --json printed of another job, to compare with")->check(CLI::ExistingFile);
  verb->add_flag("--json", request->json, "One JSON object");
  verb->callback([request, job, &exit_code] { exit_code = job(*request); });
}

}  // namespace

void add_modelarts(CLI::App& app, const Jobs& jobs, int& exit_code) {
  using Step = workflows::ModelArtsStep;
  CLI::App* verb = add_verb(app, "modelarts", "Run jobs of ModelArts' training scripts: the same scripts, variables and folders",
                            "  ingot modelarts init /home/ma-user/ws\n"
                            "  cd /home/ma-user/ws/llm_train/AscendSpeed && sh scripts/llama2/0_pl_sft_13b.sh localhost 1 0 --dry-run\n"
                            "  ORIGINAL_TRAIN_DATA_PATH=data.json ORIGINAL_HF_WEIGHT=model RUN_TYPE=sft ingot modelarts env\n"
                            "  ingot modelarts train cfgs.yaml qwen2-7b sft_lora    # AscendFactory's\n"
                            "  ingot modelarts train exp.yaml --env.NNODES=2 --env.NODE_RANK=0 --env.MASTER_ADDR=node-0 --af_output_dir=out\n\n"
                            "docs/modelarts.md lists the variables.");
  verb->require_subcommand(1);
  auto init = std::make_shared<workflows::ModelArtsInitRequest>();
  CLI::App* package = verb->add_subcommand("init", "Write the package of scripts, for all 32 models");
  package->add_option("folder", init->folder, "The work folder, such as /home/ma-user/ws")->required();
  package->callback([init, job = jobs.modelarts_init, &exit_code] { exit_code = job(*init); });
  add_step(verb, "env", "Print each variable, its value, where it is from and which key it is", Step::kEnv, jobs.modelarts, exit_code);
  add_step(verb, "config", "Print the configuration that equals the variables", Step::kConfig, jobs.modelarts, exit_code);
  add_step(verb, "train", "Train; what 3_training.sh calls. --dry-run prints the table alone; arguments of Megatron, or a YAML of AscendFactory, may follow", Step::kTrain, jobs.modelarts, exit_code);
  add_step(verb, "preprocess", "Prepare the data alone; what 1_preprocess_data.sh calls", Step::kPreprocess, jobs.modelarts, exit_code);
  add_step(verb, "export", "Write the newest checkpoint as a Hugging Face folder; what 2_convert_mg_hf.sh mg2hf calls", Step::kExport, jobs.modelarts, exit_code);
  add_performance(verb, jobs.performance, exit_code);
}

}  // namespace ingot::cli
