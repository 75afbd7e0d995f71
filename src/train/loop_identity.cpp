#include "train/loop_identity.h"

#include <ATen/core/Tensor.h>

#include "checkpoint/run_checkpoint.h"
#include "ops/arithmetic.h"

namespace ingot::train {
namespace {

/// The fixed fields that are known before the data is read.
Json known_fields(const LoopConfig& config, at::ScalarType type) {
  Json fixed = config.fixed;
  fixed["global_batch_size"] = config.batch.global_batch;
  fixed["seed"] = config.seed;
  fixed["precision"] = config_name(checkpoint::to_dtype(type));
  return fixed;
}

/// Of the newest checkpoint; null when there is none to be read.
Json saved_fields(const LoopConfig& config) {
  const Json state = checkpoint::newest_state(config.output_dir / "checkpoints");
  return state.is_object() && state.value("fixed", Json()).is_object() ? state["fixed"] : Json();
}

}  // namespace

RunIdentity identity_of(const LoopConfig& config, const model::CausalLm& model, const DataSource& train) {
  RunIdentity identity{.fixed = known_fields(config, model.dtype)};
  identity.fixed["train_rows"] = train.num_samples;
  identity.settings = {{"router_aux_loss_coef", model.config.router_aux_loss_coef},
                       {"max_steps", config.max_steps},
                       {"micro_batch_size", config.batch.micro_batch},
                       {"learning_rate", config.schedule.learning_rate},
                       {"min_lr", config.schedule.min_learning_rate},
                       {"lr_scheduler_type", config.schedule.lr_scheduler_type},
                       {"warmup_steps", config.schedule.warmup_steps},
                       {"lr_wsd_decay_steps", config.schedule.decay_steps},
                       {"weight_decay", config.optimizer.weight_decay},
                       {"adam_beta1", config.optimizer.adam_beta1},
                       {"adam_beta2", config.optimizer.adam_beta2},
                       {"adam_epsilon", config.optimizer.adam_epsilon},
                       {"max_grad_norm", config.optimizer.max_grad_norm}};
  identity.settings.update(ops::arithmetic());
  if (config.logical_shards > 0) identity.settings["logical_shards"] = config.logical_shards;
  if (config.context_shards > 1) identity.settings["context shards"] = config.context_shards;
  if (config.tensor_shards > 1) identity.settings["tensor shards"] = config.tensor_shards;
  identity.settings["device"] = c10::DeviceTypeName(model.device.type(), /*lower_case=*/true);
  identity.settings.update(config.settings);
  return identity;
}

std::vector<std::string> differences_from_checkpoint(const model::CausalLm& model, const DataSource& train, const LoopConfig& config) {
  const Json saved = saved_fields(config);
  if (saved.is_null()) return {};
  return fixed_differences({.fixed = saved}, identity_of(config, model, train));
}

void check_resume(const LoopConfig& config, at::ScalarType type) {
  const Json saved = saved_fields(config), now = known_fields(config, type);
  if (saved.is_null()) return;
  Json comparable = Json::object();
  for (const auto& [field, value] : now.items())
    if (saved.contains(field)) comparable[field] = saved[field];
  check_identity({.fixed = comparable}, {.fixed = now}, (config.output_dir / "checkpoints").string());
}

}  // namespace ingot::train
