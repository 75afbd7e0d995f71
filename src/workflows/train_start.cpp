#include "workflows/train_start.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>

#include "core/error.h"
#include "core/log.h"
#include "hub/load_model.h"
#include "hub/model_files.h"
#include "hub/run_folder.h"
#include "model/causal_lm.h"
#include "train/check_data.h"
#include "train/disk_need.h"
#include "train/loop_config.h"
#include "train/loop_identity.h"
#include "train/sources.h"
#include "workflows/plan_train.h"
#include "workflows/train.h"

namespace ingot::workflows {
namespace {

void check_keys(const config::TrainConfig& config, const model::DecoderConfig& model) {
  Problems problems;
  train::make_loop_config(config, {}).check(problems);
  if (config.router_aux_loss_coef)
    problems.expect(model.num_experts > 0, "router_aux_loss_coef", *config.router_aux_loss_coef,
                    fmt::format("none: a {} has no experts to balance", model.architecture));
  problems.throw_if_any(config.source.string());
}

void warn_of_length(const config::TrainConfig& config, const model::DecoderConfig& model) {
  const auto stretched = static_cast<int64_t>(model.rope_scaling.original_max_position_embeddings * model.rope_scaling.factor);
  const int64_t covered = model.rope_scaling.kind == "default" ? model.max_position_embeddings
                                                               : std::max(model.max_position_embeddings, stretched);
  if (model.alibi || model.rope_scaling.kind == "dynamic" || config.cutoff_len <= covered) return;
  log_warning(fmt::format("cutoff_len: {} tokens are longer than the {} positions that the model is made for (max_position_embeddings); "
                          "rope_scaling in its config.json would stretch them", config.cutoff_len, covered));
}

/// Of the files with weights, which are not opened.
uint64_t weight_file_bytes(const std::filesystem::path& folder) {
  std::map<std::string, uint64_t> bytes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.is_regular_file(error)) bytes[entry.path().extension().string()] += entry.file_size(error);
  return bytes[".safetensors"] > 0 ? bytes[".safetensors"] : bytes[".bin"];
}

uint64_t exported_bytes(const config::TrainConfig& config, const hub::ModelFolder& base, uint64_t parameters) {
  const auto dtype = hub::dtype_named(config.export_dtype);
  if (!dtype && base.has_weights()) return weight_file_bytes(base.path());
  return parameters * static_cast<uint64_t>(size_of(dtype.value_or(base.stated_config().dtype)));
}

void resize_vocabulary(const config::TrainConfig& config, hub::ModelFolder& base) {
  const int64_t ids = base.tokenizer().vocab_size(), rows = base.stated_config().vocab_size, step = config.resize_vocab_multiple;
  if (!config.resize_vocab || ids <= rows) return;
  if (base.stated_config().model_type == "baichuan")
    throw ConfigError("resize_vocab: found true, wanted false for Baichuan, whose vocab_size tells its generations apart");
  base.grow_vocabulary((ids + step - 1) / step * step);
  log_info(fmt::format("resize_vocab: the tokenizer has {} ids, the model {}: it gets {}, the new ones with the mean of the others",
                       ids, rows, base.stated_config().vocab_size));
}

train::DiskNeed need_of(const config::TrainConfig& config, const hub::ModelFolder& base, const RunValues& values, bool is_bf16) {
  return train::disk_need({.trainable = static_cast<uint64_t>(values.trained),
                           .value_bytes = is_bf16 ? 2u : 4u,
                           .export_bytes = exported_bytes(config, base, static_cast<uint64_t>(values.parameters)),
                           .lora = config.finetuning_type == "lora",
                           .save_steps = config.save_steps,
                           .save_total_limit = config.save_total_limit,
                           .max_steps = config.max_steps > 0 ? std::optional(config.max_steps) : std::nullopt});
}

}  // namespace

hub::LoraRequest lora_request(const config::TrainConfig& config) {
  return {config.adapter_name_or_path, config.lora_rank, config.lora_alpha, config.lora_dropout,
          config.use_rslora, config.lora_target, config.additional_target, config::is_expression(config.lora_target.front()),
          config.seed};
}

hub::ComputeWords compute_words(const config::TrainConfig& config) {
  return {.precision = config.precision, .device = config.device, .prefix = config.source.string() + ": "};
}

hub::ModelFolder open_base(const config::TrainConfig& config) {
  hub::ModelFolder base(config.model_name_or_path);
  resize_vocabulary(config, base);
  return base;
}

void check_start(const config::TrainConfig& config, const hub::ModelFolder& base, bool force) {
  check_keys(config, base.stated_config());
  std::optional<int64_t> adapted;
  if (config.finetuning_type == "lora") adapted = hub::check_lora(base, lora_request(config));
  const hub::RunFolder run(config.output_dir);
  hub::check_run_folder(run);
  hub::check_run_exports(run, config.finetuning_type == "lora");
  const auto compute = hub::find_compute(compute_words(config));
  auto values = plan_train(config, base.stated_config(), compute, force);
  values.trained = adapted.value_or(values.trained);  // an adapter to go on from may have other ranks in some layers
  train::check_disk(config.output_dir, need_of(config, base, values, compute.type == at::kBFloat16));
  warn_of_length(config, base.stated_config());
  train::check_data(config, base);
}

void check_origin(const config::TrainConfig& config, const hub::ModelFolder& base, const hub::RunStart& begun) {
  const bool fills_from_checkpoint = begun.goes_on() && config.finetuning_type != "lora";
  if (!config.train_from_scratch && !fills_from_checkpoint)
    hub::check_weights(*model::build_model(base.config(), at::kFloat, "meta"), base);
  if (!begun.goes_on() || config.overwrite_output_dir) return;
  auto loop = train::make_loop_config(config, {});
  loop.fixed = train::rows_identity(config);
  train::check_resume(loop, hub::find_compute(compute_words(config)).type);
}

int check_train(const TrainRequest& request, std::ostream& out) {
  const config::TrainConfig config = config::load_train_config(request.config, request.overrides);
  const hub::ModelFolder base = open_base(config);
  check_start(config, base, request.force);
  check_origin(config, base, hub::RunStart(config, base, hub::RunFolder(config.output_dir)));
  out << config.in_effect;
  return kExitOk;
}

}  // namespace ingot::workflows
