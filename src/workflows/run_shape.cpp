#include "workflows/run_shape.h"

#include <algorithm>
#include <thread>

#include "checkpoint/adapter_config.h"
#include "core/cpu.h"
#include "core/json.h"

namespace ingot::workflows {
namespace {

train::Tuning tuning_of(const config::TrainConfig& config) {
  if (config.finetuning_type != "lora") return {};
  if (config.adapter_name_or_path.empty())
    return {true, config.lora_rank, config.lora_target, config.additional_target, config::is_expression(config.lora_target.front()) };
  const auto file = config.adapter_name_or_path / "adapter_config.json";
  const auto adapter = checkpoint::AdapterConfig::from_json(read_json(file), file.string());
  return {true, adapter.r, adapter.target_modules, adapter.modules_to_save, adapter.target_is_expression};
}

model::Recompute recompute_of(const std::string& name) {
  return name == "none" ? model::Recompute::kNone : name == "selective" ? model::Recompute::kSelective : model::Recompute::kFull;
}

}  // namespace

train::RunShape run_shape(const config::TrainConfig& config, const model::DecoderConfig& model, bool is_bf16, int64_t ranks) {
  train::RunShape shape;
  shape.model = model;
  shape.tuning = tuning_of(config);
  shape.value_bytes = is_bf16 ? 2 : 4;
  shape.recompute = recompute_of(config.recompute);
  shape.seq_length = config.cutoff_len;
  shape.micro_batch = config.micro_batch_size;
  shape.global_batch = config.global_batch_size;
  shape.layout.dp = ranks;
  shape.ignores_labels = config.stage == "sft";
  shape.logical_shards = config.reproducible ? config.logical_shards : 0;
  shape.bf16_blocks = isa() >= Isa::kAvx512Bf16;
  return shape;
}

bool is_bf16_here(const config::TrainConfig& config) {
  return config.precision == "bf16" || (config.precision == "auto" && (has_bf16_dot_products() || (config.device != "cpu" && config.device != "auto")));
}

train::Hardware cpu_hardware(bool is_bf16) {
  // What a core reached where it was measured: 64 (AVX2) and 80 GFLOP/s in fp32, 300 and 1,200 in bf16.
  const double core = is_bf16 && isa() >= Isa::kAvx512Amx ? 1.2e12 : is_bf16 && isa() >= Isa::kAvx512Bf16 ? 3e11 : isa() >= Isa::kAvx512 ? 8e10 : 5e10;
  const double cores = std::max(1u, std::thread::hardware_concurrency());
  return {.flops = core * cores, .link = 5e9, .network = 1e9, .disk = 5e8, .devices_per_node = 1 << 16};
}

}  // namespace ingot::workflows
