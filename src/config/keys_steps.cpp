// Batches and steps.
#include "config/key.h"

namespace ingot::config {

std::vector<Key> step_keys() {
  return {
      {.name = "micro_batch_size", .field = field(&TrainConfig::micro_batch_size),
       .meaning = {"rows in one forward pass",
                   "一次前向计算的行数"},
       .range = between(1, 1 << 24), .aliases = {"per_device_train_batch_size"}, .environment = "MBS"},
      {.name = "global_batch_size", .field = field(&TrainConfig::global_batch_size),
       .meaning = {"rows of one optimizer step, a multiple of `micro_batch_size`",
                   "一个优化器步的行数,须为 `micro_batch_size` 的整数倍"},
       .range = between(1, 1 << 24), .environment = "GBS"},
      {.name = "max_steps", .field = field(&TrainConfig::max_steps),
       .meaning = {"optimizer steps; 0 follows `num_train_epochs`",
                   "优化器步数;0 表示由 `num_train_epochs` 决定"},
       .range = at_least(0), .aliases = {"train_iters"}, .environment = "TRAIN_ITERS"},
      {.name = "num_train_epochs", .field = field(&TrainConfig::num_train_epochs),
       .meaning = {"passes over the rows. No row is repeated to fill the last step: it is short, and its loss is the mean over "
                   "its own labels. A run that goes on with more epochs reads every row of them",
                   "遍历数据的次数。最后一步不会用重复的行补满:它较短,其损失是自身标签的平均。以更多轮次继续的运行会读完这些轮次的每一行"},
       .range = at_least(0), .environment = "EPOCH"},
      {.name = "seed", .field = field(&TrainConfig::seed),
       .meaning = {"of sample order, split and random weights",
                   "样本顺序、划分与随机权重的种子"},
       .environment = "SEED"},
      {.name = "reproducible", .field = field(&TrainConfig::reproducible),
       .meaning = {"the bits of a run depend neither on the number of its ranks nor on their threads: sums over the batch are made in a fixed tree over "
                   "`logical_shards`, and every rank computes on one thread",
                   "运行结果的每一位都与进程数及其线程数无关:对批次的求和按 `logical_shards` 份的固定二叉树进行,每个进程用一个线程计算"}},
      {.name = "logical_shards", .field = field(&TrainConfig::logical_shards),
       .meaning = {"with `reproducible`: the parts of a global batch whose sums are added in a tree, a power of two and a multiple of the ranks",
                   "配合 `reproducible`:全局批次被分成的份数,各份之和按二叉树相加;须为 2 的幂,且为进程数的整数倍"},
       .range = between(1, 1 << 16)},
  };
}

}  // namespace ingot::config
