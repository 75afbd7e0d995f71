// Data of both stages.
#include "config/key.h"

namespace ingot::config {

std::vector<Key> data_keys() {
  return {
      {.name = "dataset", .field = field(&TrainConfig::dataset),
       .meaning = {"files or folders: Parquet, Arrow/Feather, JSONL, JSON, CSV, text, plain or .gz/.zst/.bz2/.xz/.lz4",
                   "文件或目录:Parquet、Arrow/Feather、JSONL、JSON、CSV、文本,可带 .gz/.zst/.bz2/.xz/.lz4"},
       .required = true, .environment = "ORIGINAL_TRAIN_DATA_PATH"},
      {.name = "eval_dataset", .field = field(&TrainConfig::eval_dataset),
       .meaning = {"other data sets to evaluate on, in place of `val_size`; in stage `sft` each is told by itself",
                   "另外用于评估的数据集,代替 `val_size`;`sft` 阶段逐个报告"}},
      {.name = "json_keys", .field = field(&TrainConfig::json_keys),
       .meaning = {"stage `pt`: the text column",
                   "`pt` 阶段:文本列"},
       .stage = "pt"},
      {.name = "cutoff_len", .field = field(&TrainConfig::cutoff_len),
       .meaning = {"tokens a row; in stage `sft` of a conversation or pack at most. A line warns of more than the model has "
                   "positions",
                   "每行的 token 数;`sft` "
                   "阶段为一段对话或一个打包行的上限。超过模型的位置数时有一行警告"},
       .range = between(1, 1 << 24), .aliases = {"max_length", "max_seq_length", "seq_length"}, .environment = "SEQ_LEN"},
      {.name = "append_eod", .field = field(&TrainConfig::append_eod),
       .meaning = {"stage `pt`: the tokenizer's eos token behind every document",
                   "`pt` 阶段:每篇文档后追加分词器的 eos token"},
       .stage = "pt"},
      {.name = "reset_position_ids", .field = field(&TrainConfig::reset_position_ids),
       .meaning = {"stage `pt`: positions restart at document borders",
                   "`pt` 阶段:在文档边界重置位置编号"},
       .stage = "pt"},
      {.name = "reset_attention_mask", .field = field(&TrainConfig::reset_attention_mask),
       .meaning = {"stage `pt`: attention does not cross document borders",
                   "`pt` 阶段:注意力不跨越文档边界"},
       .stage = "pt"},
      {.name = "shuffle", .field = field(&TrainConfig::shuffle),
       .meaning = {"false takes rows in file order",
                   "false 时按文件顺序取行"}},
      {.name = "val_size", .field = field(&TrainConfig::val_size),
       .meaning = {"rows (stage `sft`: samples) kept apart for evaluation: a share below 1, else a number; refused where nothing "
                   "is left on either side",
                   "留作评估的行(`sft` 阶段为样本):小于 1 为比例,否则为个数;任何一方为空时拒绝"},
       .range = at_least(0)},
      {.name = "preprocessing_num_workers", .field = field(&TrainConfig::preprocessing_num_workers),
       .meaning = {"threads of each rank; 0 is all cores, shared by the ranks of a machine",
                   "每个进程的线程数;0 表示全部核心,由同一台机器上的进程平分"},
       .range = between(0, 1024), .aliases = {"dataset_num_proc"}},
      {.name = "dataset_weights", .field = field(&TrainConfig::mix, &MixConfig::dataset_weights),
       .meaning = {"times each row (stage `sft`: sample) of a data set is used in an epoch",
                   "每个数据集的每一行(`sft` 阶段为样本)在一个 epoch 中使用的次数"},
       .absent = {"1 each", "均为 1"}, .range = between(0, 1000)},
      {.name = "mix_strategy", .field = field(&TrainConfig::mix, &MixConfig::mix_strategy),
       .meaning = {"`concat`: every row once, or `dataset_weights` times; `interleave_under`: in the shares of `interleave_probs` "
                   "until the first data set is read; `interleave_over`: until the last is, the others repeated",
                   "`concat`:每行一次,或 `dataset_weights` 次;`interleave_under`:按 `interleave_probs` "
                   "的份额,到第一个数据集读完为止;`interleave_over`:到最后一个读完为止,其余重复"},
       .range = one_of({"concat", "interleave_under", "interleave_over"})},
      {.name = "interleave_probs", .field = field(&TrainConfig::mix, &MixConfig::interleave_probs),
       .meaning = {"share of each data set in an epoch, together 1",
                   "各数据集在一个 epoch 中的份额,合计为 1"},
       .absent = {"equal", "相等"}, .range = between(0, 1)},
  };
}

}  // namespace ingot::config
