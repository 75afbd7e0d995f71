// AdamW and its schedule.
#include "config/key.h"

namespace ingot::config {

std::vector<Key> optimizer_keys() {
  return {
      {.name = "learning_rate", .field = field(&TrainConfig::learning_rate),
       .meaning = {"peak rate",
                   "峰值学习率"},
       .range = at_least(0), .aliases = {"lr"}, .environment = "LR"},
      {.name = "min_lr", .field = field(&TrainConfig::min_lr),
       .meaning = {"rate at the end of cosine, linear and wsd",
                   "cosine、linear、wsd 结束时的学习率"},
       .range = at_least(0), .environment = "MIN_LR"},
      {.name = "lr_scheduler_type", .field = field(&TrainConfig::lr_scheduler_type),
       .meaning = {"`cosine`, `linear`, `constant`, `wsd` (warm-up, stable, decay)",
                   "`cosine`、`linear`、`constant`、`wsd`(预热、平稳、衰减)"},
       .range = one_of({"cosine", "linear", "constant", "wsd"}), .aliases = {"lr_decay_style"}},
      {.name = "warmup_steps", .field = field(&TrainConfig::warmup_steps),
       .meaning = {"first update has rate 1/warmup of the peak",
                   "预热步数;第一步的学习率为峰值的 1/warmup"},
       .range = at_least(0), .aliases = {"lr_warmup_iters"}},
      {.name = "warmup_ratio", .field = field(&TrainConfig::warmup_ratio),
       .meaning = {"the same as a share of all steps, when `warmup_steps` is 0",
                   "同上,以总步数的比例给出,仅当 `warmup_steps` 为 0 时有效"},
       .range = share_below_1(), .aliases = {"lr_warmup_fraction"}},
      {.name = "lr_wsd_decay_steps", .field = field(&TrainConfig::lr_wsd_decay_steps),
       .meaning = {"length of wsd's last part",
                   "wsd 最后一段的长度"},
       .range = at_least(0), .aliases = {"lr_wsd_decay_iters"}},
      {.name = "weight_decay", .field = field(&TrainConfig::weight_decay),
       .meaning = {"AdamW's weight decay",
                   "AdamW 的权重衰减"},
       .range = at_least(0)},
      {.name = "adam_beta1", .field = field(&TrainConfig::adam_beta1),
       .meaning = {"decay of AdamW's first moment",
                   "AdamW 一阶矩的衰减率"},
       .range = share_below_1()},
      {.name = "adam_beta2", .field = field(&TrainConfig::adam_beta2),
       .meaning = {"decay of AdamW's second moment",
                   "AdamW 二阶矩的衰减率"},
       .range = share_below_1()},
      {.name = "adam_epsilon", .field = field(&TrainConfig::adam_epsilon),
       .meaning = {"added to the root of AdamW's second moment",
                   "加在 AdamW 二阶矩平方根上的小量"},
       .range = more_than(0), .aliases = {"adam_eps"}},
      {.name = "max_grad_norm", .field = field(&TrainConfig::max_grad_norm),
       .meaning = {"gradients are scaled down to this norm; 0 leaves them",
                   "梯度范数上限;0 表示不裁剪"},
       .range = at_least(0), .aliases = {"clip_grad"}},
  };
}

}  // namespace ingot::config
