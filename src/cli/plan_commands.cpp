#include "cli/commands.h"

namespace ingot::cli {
namespace {

void add_axes(CLI::App& verb, workflows::PlanRequest& request) {
  const auto axis = [&](const char* name, std::optional<int64_t>& value, const char* meaning) {
    verb.add_option(name, value, meaning)->check(CLI::Range(int64_t{1}, int64_t{1} << 12));
  };
  verb.add_option("--devices", request.devices, "Ranks, one a device; with --model layouts are sought for them")->check(CLI::Range(1, 1 << 16));
  axis("--tp", request.tp, "Tensor parallel ranks, which share every matrix");
  axis("--pp", request.pp, "Pipeline ranks, which share the layers");
  axis("--cp", request.cp, "Context parallel ranks, which share the tokens of a row");
  axis("--ep", request.ep, "Of the dp ranks, those that share the experts of a mixture");
  axis("--dp", request.dp, "Data parallel ranks, which share the batch; what the other axes leave of --devices when not given");
  axis("--virtual-stages", request.virtual_stages, "Chunks of layers of each pipeline rank");
  verb.add_option("--zero", request.zero, "What dp ranks share: 0 nothing, 1 the optimizer's state, 2 and gradient sums, 3 and weights")
      ->check(CLI::Range(0, 3));
}

void add_run(CLI::App& verb, workflows::PlanRequest& request) {
  const auto number = [&](const char* name, std::optional<int64_t>& value, const char* meaning) {
    verb.add_option(name, value, meaning)->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
  };
  number("--cutoff-len", request.seq_length, "Tokens a row; of the configuration, else 4096");
  number("--micro-batch-size", request.micro_batch, "Rows in one forward pass; of the configuration, else 1");
  number("--global-batch-size", request.global_batch, "Rows of a step; of the configuration, else 64, or one a device");
  verb.add_option("--recompute", request.recompute, "none, selective, full; of the configuration, else sought")
      ->check(CLI::IsMember({"none", "selective", "full"}));
  verb.add_option("--finetuning-type", request.finetuning_type, "With --model: full or lora")
      ->check(CLI::IsMember({"full", "lora"}))->capture_default_str();
  verb.add_option("--lora-rank", request.lora_rank, "With --model")->check(CLI::Range(1, 1 << 16))->capture_default_str();
  verb.add_option("--precision", request.precision, "With --model: bf16 or fp32")->check(CLI::IsMember({"bf16", "fp32"}))->capture_default_str();
}

void add_hardware(CLI::App& verb, workflows::PlanRequest& request) {
  const auto rate = [&](const char* name, std::optional<double>& value, const char* meaning) {
    verb.add_option(name, value, meaning)->check(CLI::Range(1.0, 1e21));
  };
  verb.add_option("--memory", request.memory, "Of a device; of a configuration on a CPU the machine's, shared by its ranks, else 64GiB");
  rate("--flops", request.flops, "FLOP/s that a device reaches in matrix products; 200e12, or what this CPU is taken for");
  rate("--link", request.link, "Bytes/s of a device to others of its node; 150e9");
  rate("--network", request.network, "Bytes/s of a device to other nodes; 25e9");
  rate("--memory-rate", request.memory_rate, "Bytes/s that a device reads and writes in the optimizer; 1e12");
  const auto small = [&](const char* name, std::optional<double>& value, const char* meaning) {
    verb.add_option(name, value, meaning)->check(CLI::Range(0.0, 1e6));
  };
  small("--latency", request.latency, "Seconds of a message beside its bytes; 10e-6");
  small("--layer-seconds", request.layer, "Seconds of a micro-batch in a layer beside the arithmetic, backward twice that; 0");
  small("--at-once", request.at_once, "Ranks that compute at these rates at one time, as the cores of a machine; more share them; 0: all");
  rate("--disk", request.disk, "Bytes/s of the storage of checkpoints, for all ranks together; 2e9");
  verb.add_option("--devices-per-node", request.devices_per_node, "8")->check(CLI::Range(1, 1 << 20));
}

}  // namespace

void add_plan(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::PlanRequest>();
  CLI::App* verb = add_verb(app, "plan", "Memory, time and disk of a run before it starts, what fits, and what would make the rest fit",
                            "  ingot plan run.yaml\n"
                            "  ingot plan run.yaml --set recompute=full --devices 2 --json\n"
                            "  ingot plan --model llama2-70b --devices 64 --memory 64GiB\n"
                            "  ingot plan --model llama2-70b --tp 8 --pp 4 --dp 2 --cutoff-len 8192 --recompute selective\n"
                            "  ingot plan --model all --devices 8 --finetuning-type lora\n\n"
                            "No weight is read and nothing is written. docs/plan.md tells how the figures are made.");
  verb->add_option("config", request->config, "Training configuration; or --model in its place");
  verb->add_option("--set", request->overrides, "key=value in place of the file's; may be repeated")->allow_extra_args(false);
  verb->add_option("--model", request->model, "A key of `ingot models`, a model folder, or all: every key");
  add_axes(*verb, *request);
  add_run(*verb, *request);
  add_hardware(*verb, *request);
  verb->add_flag("--json", request->json, "Print one object: fits, layout, per_rank, recompute, communication, step, checkpoint, layouts, change");
  verb->callback([request, job = jobs.plan, &exit_code] { exit_code = job(*request); });
}

}  // namespace ingot::cli
