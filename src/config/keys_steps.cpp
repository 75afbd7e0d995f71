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
      {.name = "tensor_model_parallel_size", .field = field(&TrainConfig::tensor_model_parallel_size),
       .meaning = {"ranks that share the matrices of the model (tensor parallel): each has some of the heads, of the MLP's columns and of the "
                   "vocabulary; the ranks are a multiple of it",
                   "共同分担模型矩阵的进程数(张量并行):每个进程持有一部分注意力头、MLP 的列与词表;进程总数须为其整数倍"},
       .range = between(1, 1 << 10), .environment = "TP"},
      {.name = "pipeline_model_parallel_size", .field = field(&TrainConfig::pipeline_model_parallel_size),
       .meaning = {"ranks that share the layers of the model (pipeline parallel): micro-batches go from one to the next, each keeps as few of them as it can "
                   "(1F1B); no bit of the result depends on it with `reproducible`",
                   "分担模型各层的进程数(流水线并行):微批次依次经过各进程,每个进程同时保留的微批次尽可能少(1F1B);配合 `reproducible` 时结果的每一位都与其无关"},
       .range = between(1, 1 << 10), .environment = "PP"},
      {.name = "virtual_pipeline_model_parallel_size", .field = field(&TrainConfig::virtual_pipeline_model_parallel_size),
       .meaning = {"pieces of the model, apart from each other, that each pipeline rank holds (interleaved stages): more of them wait less for each other and "
                   "send more",
                   "每个流水线进程持有的、彼此不相邻的模型段数(交错式流水线):段数越多,等待越少,通信越多"},
       .range = between(1, 1 << 10)},
      {.name = "context_parallel_size", .field = field(&TrainConfig::context_parallel_size),
       .meaning = {"ranks that share the tokens of each row, for rows that are too long for one (context parallel): cutoff_len is a multiple of twice as many",
                   "分担每一行 token 的进程数,用于单个进程放不下的长行(上下文并行):cutoff_len 须为其两倍的整数倍"},
       .range = between(1, 1 << 10), .environment = "CP"},
      {.name = "expert_model_parallel_size", .field = field(&TrainConfig::expert_model_parallel_size),
       .meaning = {"of the ranks that share the batch so many neighbours share the experts of a mixture (expert parallel): each has some of them, and tokens go "
                   "to the rank of their expert and back",
                   "分担批次的进程中,每这么多个相邻进程共同分担混合专家模型的专家(专家并行):每个进程持有一部分专家,token 送往其专家所在的进程再送回"},
       .range = between(1, 1 << 10)},
      {.name = "zero_stage", .field = field(&TrainConfig::zero_stage),
       .meaning = {"1: of the ranks that share the batch each keeps the optimizer's state of its rows of every parameter alone, updates these and gets the "
                   "others (ZeRO-1); 2: and the sums of their gradients alone, made while the backward pass goes on (ZeRO-2; with `reproducible` the sums are "
                   "made in the tree, as with 1); 3: and its rows of the matrices alone, which meet where a layer is used (ZeRO-3, FSDP); 0: each keeps all of it",
                   "1:分担批次的各进程只保存每个参数中自己那些行的优化器状态,更新这些行并取得其余行(ZeRO-1);2:梯度之和也只保存自己那些行,在反向传播过程中求和"
                   "(ZeRO-2;配合 `reproducible` 时仍按二叉树求和,与 1 相同);3:矩阵本身也只保存自己那些行,用到某层时才合拢(ZeRO-3,即 FSDP);0:各进程都保存全部"},
       .range = between(0, 3)},
      {.name = "reproducible", .field = field(&TrainConfig::reproducible),
       .meaning = {"the bits of a run depend neither on the number of its ranks, on what they share, nor on their threads: sums are made in fixed trees "
                   "over `logical_shards` of the batch and `logical_tensor_shards` of the matrices, and every rank computes on one thread a tensor shard",
                   "运行结果的每一位都与进程数、分工方式及线程数无关:求和按批次的 `logical_shards` 份与矩阵的 `logical_tensor_shards` 份的固定二叉树进行,"
                   "每个张量分片用一个线程计算"}},
      {.name = "logical_shards", .field = field(&TrainConfig::logical_shards),
       .meaning = {"with `reproducible`: the parts of a global batch whose sums are added in a tree, a power of two and a multiple of the ranks",
                   "配合 `reproducible`:全局批次被分成的份数,各份之和按二叉树相加;须为 2 的幂,且为进程数的整数倍"},
       .range = between(1, 1 << 16)},
      {.name = "logical_context_shards", .field = field(&TrainConfig::logical_context_shards),
       .meaning = {"with `reproducible`: the parts into which the tokens of a row are cut whatever `context_parallel_size`, as `logical_tensor_shards` for the matrices; "
                   "0: as many as that",
                   "配合 `reproducible`:无论 `context_parallel_size` 为多少,每行的 token 都被切成的份数,与 `logical_tensor_shards` 之于矩阵相同;0 表示与其相同"},
       .range = between(0, 1 << 10)},
      {.name = "logical_tensor_shards", .field = field(&TrainConfig::logical_tensor_shards),
       .meaning = {"with `reproducible`: the parts into which the matrices are cut whatever `tensor_model_parallel_size`, a power of two and a multiple of it, so "
                   "that it may change between a stop and the next start without a bit of the result; 0: as many as that",
                   "配合 `reproducible`:无论 `tensor_model_parallel_size` 为多少,矩阵都被切成的份数;须为 2 的幂且为其整数倍,这样停止后可换一种张量并行数"
                   "继续而结果每一位不变;0 表示与其相同"},
       .range = between(0, 1 << 10)},
  };
}

}  // namespace ingot::config
