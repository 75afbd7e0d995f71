#include "workflows/run_shape.h"

#include <algorithm>
#include <thread>

#include "checkpoint/adapter_config.h"
#include "core/cpu.h"
#include "core/json.h"
#include "workflows/rank_sharing.h"

namespace ingot::workflows {
namespace {

train::Tuning tuning_of(const config::TrainConfig& config) {
  if (config.finetuning_type != "lora") return {};
  if (config.adapter_name_or_path.empty())
    return {true, config.lora_rank, config.lora_target, config.additional_target, config::is_expression(config.lora_target.front())};
  const auto file = config.adapter_name_or_path / "adapter_config.json";
  const auto adapter = checkpoint::AdapterConfig::from_json(read_json(file), file.string());
  return {true, adapter.r, adapter.target_modules, adapter.modules_to_save, adapter.target_is_expression, /*of_adapter=*/true};
}

}  // namespace

model::Recompute recompute_of(const std::string& name) {
  return name == "none" ? model::Recompute::kNone : name == "selective" ? model::Recompute::kSelective : model::Recompute::kFull;
}

const char* word_of(model::Recompute kind) {
  return kind == model::Recompute::kNone ? "none" : kind == model::Recompute::kSelective ? "selective" : "full";
}

train::RunShape run_shape(const config::TrainConfig& config, const model::DecoderConfig& model, bool is_bf16, int64_t ranks) {
  train::RunShape shape;
  shape.model = model;
  shape.tuning = tuning_of(config);
  shape.value_bytes = is_bf16 ? 2 : 4;
  shape.recompute = recompute_of(config.recompute);
  shape.seq_length = config.cutoff_len;
  shape.micro_batch = config.micro_batch_size;
  shape.global_batch = config.global_batch_size;
  shape.layout = layout_of(config, ranks);
  shape.zero_stage = config.zero_stage;
  shape.ignores_labels = config.stage == "sft";
  shape.logical_shards = config.reproducible ? config.logical_shards : 0;
  shape.bf16_blocks = isa() >= Isa::kAvx512Bf16;
  return shape;
}

bool is_bf16_here(const config::TrainConfig& config) {
  if (config.precision != "auto") return config.precision == "bf16";
  return has_bf16_dot_products() || (config.device != "cpu" && config.device != "auto");
}

train::Hardware cpu_hardware(bool is_bf16, int64_t ranks) {
  // Round figures near what a core reached where it was measured.
  double core = isa() >= Isa::kAvx512 ? 8e10 : 5e10;
  if (is_bf16 && isa() >= Isa::kAvx512Bf16) core = isa() >= Isa::kAvx512Amx ? 1.2e12 : 3e11;
  const double cores = std::max(1u, std::thread::hardware_concurrency());
  const double at_once = std::min(cores, static_cast<double>(ranks));
  return {.flops = core * cores / at_once, .link = 5e9, .network = 1e9, .latency = 5e-5, .memory_rate = 1e10 / at_once, .at_once = at_once,
          .disk = 5e8, .devices_per_node = 1 << 16};
}

}  // namespace ingot::workflows
