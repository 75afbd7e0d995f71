#include "cli/commands.h"
#include "config/train_config.h"

namespace ingot::cli {
namespace {

/// A verb that takes CONFIG, --set and --check; returns what they fill.
std::shared_ptr<workflows::TrainRequest> add_config_verb(CLI::App* verb, const Job<workflows::TrainRequest>& job,
                                                         const Job<workflows::TrainRequest>& check, int& exit_code) {
  auto request = std::make_shared<workflows::TrainRequest>();
  verb->add_option("config", request->config, "YAML file; docs/config.md lists its keys")->required();
  verb->add_option("--set", request->overrides, "key=value in place of the file's; may be repeated")->allow_extra_args(false);
  verb->add_flag("--check", request->check, "Only check what can be known before the work starts, and print every key with the value in effect");
  verb->callback([request, job, check, &exit_code] { exit_code = request->check ? check(*request) : job(*request); });
  return request;
}

/// The job on several ranks of this machine, when --nproc asks for more than one.
Job<workflows::TrainRequest> on_ranks(CLI::App* verb, const Job<workflows::TrainRequest>& alone,
                                      const Job<workflows::LaunchRequest>& launch) {
  auto ranks = std::make_shared<workflows::LaunchRequest>();
  ranks->nproc = 1;
  verb->add_option("--nproc", ranks->nproc, "Ranks on this machine that share the work; ingot launch has more flags")->check(CLI::Range(1, 65536))->capture_default_str();
  if (verb->get_name() == "train") add_restart_flags(verb, *ranks);
  return [ranks, alone, launch, name = verb->get_name()](const workflows::TrainRequest& request) {
    if (ranks->nproc == 1 && ranks->max_restarts == 0) return alone(request);
    refuse_early(request);
    workflows::LaunchRequest job = *ranks;
    job.command = {name, request.config.string()};
    for (const auto& pair : request.overrides) job.command.insert(job.command.end(), {"--set", pair});
    if (request.force) job.command.push_back("--force");
    if (request.profile) job.command.push_back("--profile");
    return launch(job);
  };
}

void add_check_tokens(CLI::App* verb, int64_t& value) {
  verb->add_option("--check-tokens", value, "Of a merge: length of the sample whose logits are compared, with a model in memory; 0: no check")
      ->check(CLI::NonNegativeNumber)->capture_default_str();
}

}  // namespace

void refuse_early(const workflows::TrainRequest& request) {
  if (std::filesystem::is_regular_file(request.config)) config::load_train_config(request.config, request.overrides);
}

void add_train(CLI::App& app, const Jobs& jobs, int& exit_code) {
  CLI::App* verb = add_verb(app, "train", "Train a model as a YAML file says: preprocess, load, train, checkpoint, export",
                           "  ingot train examples/smollm2_identity_lora.yaml\n"
                           "  ingot train run.yaml --set max_steps=100 --set learning_rate=1e-4\n"
                            "  ingot train run.yaml --nproc 2\n"
                            "  ingot train run.yaml --check\n\n"
                            "The same command again goes on from the newest good checkpoint. Ctrl-C saves and exits 143.");
  auto request = add_config_verb(verb, on_ranks(verb, jobs.train, jobs.launch), jobs.check_train, exit_code);
  verb->add_flag("--force", request->force, "Go on with a run that needs more memory than there is");
  verb->add_flag("--profile", request->profile, "Write what each rank does when to OUTPUT/profile/rank_N.json, for chrome://tracing or ui.perfetto.dev");
}

void add_preprocess(CLI::App& app, const Jobs& jobs, int& exit_code) {
  CLI::App* verb = add_verb(app, "preprocess", "Turn raw files into token shards (.bin/.idx) with a ledger, without training",
                            "  ingot preprocess run.yaml\n"
                            "  ingot preprocess run.yaml --set dataset=corpus/ --set json_keys=content\n"
                            "  ingot preprocess run.yaml --nproc 4\n\n"
                            "The files are the same for every number of ranks. The same command again goes on behind the blocks that were made\n"
                            "before a stop or kill.");
  add_config_verb(verb, on_ranks(verb, jobs.preprocess, jobs.launch), jobs.check_config, exit_code);
}

void add_export(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::ExportRequest>();
  CLI::App* verb = add_verb(app, "export", "Write a run's newest checkpoint as a Hugging Face folder",
                            "  ingot export output/shakespeare\n  ingot export output/shakespeare --to my-model --dtype float32\n"
                            "  ingot export output/lora --adapter --to my-adapter\n\n"
                            "Of a LoRA run: the adapter as PEFT writes it, the merged model, or, without a flag, both.");
  verb->add_option("run", request->run, "output_dir of a training run")->required();
  verb->add_option("--to", request->to, "Folder to write; RUN/model when not given")
      ->check([](const std::string& to) { return to.empty() ? std::string("found an empty path, wanted a folder") : std::string(); });
  verb->add_option("--dtype", request->dtype, "auto (as the model that came in), bfloat16, float16, float32")
      ->check(CLI::IsMember({"auto", "bfloat16", "float16", "float32"}));
  auto* adapter = verb->add_flag("--adapter", request->adapter, "Of a LoRA run: the adapter folder");
  verb->add_flag("--merge", request->merge, "Of a LoRA run: the model with the adapter merged in")->excludes(adapter);
  verb->add_option("--base", request->base, "Of a LoRA run: the model that it started from, where it was moved");
  add_check_tokens(verb, request->check_tokens);
  verb->callback([request, job = jobs.export_model, &exit_code] { exit_code = job(*request); });
}

void add_convert(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::ConvertRequest>();
  CLI::App* verb = add_verb(app, "convert", "Turn a GGUF model into a Hugging Face folder, or merge an adapter into a model",
                            "  ingot convert --from SmolLM2-135M-Instruct.Q4_1.gguf --to smollm2\n"
                            "  ingot convert --from smollm2 --adapter my-adapter --to merged");
  verb->add_option("--from", request->from, "A .gguf file of architecture llama or qwen2; with --adapter, a model folder")->required();
  verb->add_option("--adapter", request->adapter, "LoRA adapter folder to merge into the model folder --from");
  verb->add_option("--to", request->to, "Folder to write; must not exist or be empty")->required();
  verb->add_option("--dtype", request->dtype, "float32, bfloat16 or float16; of GGUF float32 when not given, of a merge each weight's own")
      ->check(CLI::IsMember({"bfloat16", "float16", "float32"}));
  add_check_tokens(verb, request->check_tokens);
  verb->callback([request, job = jobs.convert, &exit_code] { exit_code = job(*request); });
}

}  // namespace ingot::cli
