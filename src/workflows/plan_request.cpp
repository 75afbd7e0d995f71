#include "workflows/plan_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/train_config.h"
#include "core/byte_count.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/problems.h"
#include "hub/model_description.h"
#include "workflows/model_catalog.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kDeviceMemory = int64_t{64} << 30, kDeviceProgram = int64_t{1} << 30;  // of an accelerator
constexpr int64_t kRows = 64;  // of a global batch where none is said

model::DecoderConfig model_config(const std::string& model) {
  if (const auto* known = find_catalog_model(model)) return catalog_config(*known);
  fs::path folder = model;
  if (folder.filename() == "config.json") folder = folder.parent_path();
  if (fs::is_directory(folder)) return hub::ModelDescription(folder).stated_config();
  std::vector<std::string> keys;
  for (const auto& known : model_catalog()) keys.push_back(known.key);
  const std::string near = nearest_word(model, keys);
  throw ConfigError(fmt::format("--model: found {}, wanted a key of `ingot models`, a model folder, or all{}", model,
                                near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

/// What is not said of axes is as in the configuration, or 1, and of dp the rest of the devices.
void lay_out(const PlanRequest& request, train::RunShape& shape) {
  auto& layout = shape.layout;
  for (const auto& [size, said] : {std::pair{&layout.tp, request.tp}, {&layout.pp, request.pp}, {&layout.cp, request.cp}, {&layout.ep, request.ep},
                                   {&layout.virtual_stages, request.virtual_stages}})
    *size = said.value_or(*size);
  const int64_t others = layout.tp * layout.pp * layout.cp;
  const int64_t devices = request.devices.value_or(others * request.dp.value_or(layout.ep));
  layout.dp = request.dp.value_or(std::max<int64_t>(1, devices / others));
  if (layout.dp * others == devices) return;
  const std::string product = fmt::format("tp {} x pp {} x cp {}", layout.tp, layout.pp, layout.cp);
  if (request.dp) throw ConfigError(fmt::format("--devices: found {}, wanted {} = {} x dp {}", devices, others * layout.dp, product, layout.dp));
  const int64_t below = std::max(others, devices / others * others), above = (devices / others + 1) * others;
  throw ConfigError(fmt::format("--devices: found {}, wanted a multiple of {} = {}: {}", devices, product, others,
                                below == above ? std::to_string(below) : fmt::format("{} or {}", below, above)));
}

void apply(const PlanRequest& request, PlanQuestion& question) {
  auto& shape = question.shape;
  shape.seq_length = request.seq_length.value_or(shape.seq_length);
  shape.micro_batch = request.micro_batch.value_or(shape.micro_batch);
  shape.global_batch = request.global_batch.value_or(shape.global_batch);
  shape.zero_stage = request.zero.value_or(shape.zero_stage);
  if (request.recompute)
    shape.recompute = recompute_of(*request.recompute);
  auto& hardware = question.hardware;
  for (const auto& [rate, said] : {std::pair{&hardware.flops, request.flops}, {&hardware.link, request.link}, {&hardware.network, request.network},
                                   {&hardware.latency, request.latency}, {&hardware.memory_rate, request.memory_rate}, {&hardware.layer, request.layer},
                                   {&hardware.at_once, request.at_once}, {&hardware.disk, request.disk}})
    *rate = said.value_or(*rate);
  hardware.devices_per_node = request.devices_per_node.value_or(hardware.devices_per_node);
  if (!request.memory.empty()) question.room.memory = parse_bytes(request.memory, "--memory");
}

PlanQuestion of_config(const PlanRequest& request) {
  const auto config = config::load_train_config(request.config, request.overrides);
  PlanQuestion question{.name = config.model_name_or_path.string()};
  const bool is_bf16 = is_bf16_here(config);
  question.on_this_cpu = config.device == "cpu" || config.device == "auto";
  question.shape = run_shape(config, hub::ModelDescription(config.model_name_or_path).stated_config(), is_bf16, 1);
  lay_out(request, question.shape);
  if (question.on_this_cpu) {  // ranks of a machine share its memory
    question.hardware = cpu_hardware(is_bf16, question.shape.layout.num_ranks());
    question.room = {static_cast<int64_t>(machine_memory().total) / question.shape.layout.num_ranks(), train::kProgramBytes};
  } else {
    question.room = {kDeviceMemory, kDeviceProgram};
  }
  apply(request, question);
  return question;
}

PlanQuestion of_model(const PlanRequest& request, const std::string& model) {
  PlanQuestion question{.name = model, .room = {kDeviceMemory, kDeviceProgram}};
  auto& shape = question.shape;
  shape.model = model_config(model);
  shape.tuning = {.lora = request.finetuning_type == "lora", .rank = request.lora_rank};
  shape.value_bytes = request.precision == "fp32" ? 4 : 2;
  shape.seq_length = 4096;
  shape.bf16_blocks = true;
  lay_out(request, shape);
  const int64_t devices = shape.layout.num_ranks();
  shape.global_batch = (kRows + devices - 1) / devices * devices * request.micro_batch.value_or(1);
  const bool says_axes = request.tp || request.pp || request.ep || request.dp || request.virtual_stages;
  question.freedom = {.layout = !says_axes, .zero = !request.zero, .recompute = !request.recompute};
  apply(request, question);
  return question;
}

}  // namespace

std::vector<PlanQuestion> plan_questions(const PlanRequest& request) {
  if (request.config.empty() == request.model.empty())
    throw ConfigError("ingot plan: wanted a configuration, or --model with a key of `ingot models` or a model folder");
  if (!request.config.empty()) return {of_config(request)};
  if (request.model != "all") return {of_model(request, request.model)};
  std::vector<PlanQuestion> questions;
  for (const auto& known : model_catalog()) questions.push_back(of_model(request, known.key));
  return questions;
}

}  // namespace ingot::workflows
