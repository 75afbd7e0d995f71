// What a run writes.
#include "config/key.h"

namespace ingot::config {

std::vector<Key> output_keys() {
  return {
      {.name = "output_dir", .field = field(&TrainConfig::output_dir),
       .meaning = {"a new or empty folder, or a run's; gets `.ingot` (the mark that it is a run's), `run.json` (what it is a run "
                   "of), `data/`, `checkpoints/`, `metrics.jsonl`, `source/` and `model/`, the exported Hugging Face folder. A "
                   "folder without that mark whose files are there is not touched. A run of another model, tokenizer, stage, "
                   "template or data is refused, and leaves what is there as it is. Model, adapter, template and data sets lie "
                   "outside of it, and it outside of the data sets' folders",
                   "新目录、空目录或某次运行的目录;生成 "
                   "`.ingot`(表明属于某次运行的标记)、`run.json`(记录这是什么运行)、`data/`、`checkpoints/`、`metrics.jsonl`、`source/`,以及导出的 "
                   "Hugging Face 目录 "
                   "`model/`。没有该标记且含有文件的目录不会被改动。模型、分词器、阶段、模板或数据不同的运行会被拒绝,且目录保持原样。模型、适配器、模板和数据集须在该目录之外,该目录也不得位于数据集目录之内"},
       .required = true, .environment = "OUTPUT_SAVE_DIR"},
      {.name = "overwrite_output_dir", .field = field(&TrainConfig::overwrite_output_dir),
       .meaning = {"throws away what another run left, its exports too, once the new one has passed every check; one line says what "
                   "differs. A run that can go on from the checkpoints (same model, data, seed and batch; other settings may "
                   "change) does so. Checkpoints behind a link are not thrown away, and an `iter_…` in `checkpoints/` that Ingot did not "
                   "write is refused, whatever its step",
                   "在新运行通过全部检查之后丢弃其他运行留下的内容(包括其导出),并用一行说明差异;能从已有检查点继续的运行(模型、数据、种子和批量相同,其他设置可变)则继续。链接指向的检查点目录不会被清空;`checkpoints/` 中并非由 Ingot 写入的 `iter_…`,无论步数,一律拒绝"}},
      {.name = "save_steps", .field = field(&TrainConfig::save_steps),
       .meaning = {"steps from one checkpoint to the next; 0: at the end only",
                   "两次检查点之间的步数;0 表示仅在结束时保存"},
       .range = at_least(0), .aliases = {"save_interval"}, .environment = "SAVE_INTERVAL"},
      {.name = "save_total_limit", .field = field(&TrainConfig::save_total_limit),
       .meaning = {"checkpoints kept; 0 keeps all",
                   "保留的检查点数;0 表示全部保留"},
       .range = at_least(0)},
      {.name = "eval_steps", .field = field(&TrainConfig::eval_steps),
       .meaning = {"steps from one evaluation to the next; 0: before and after only",
                   "两次评估之间的步数;0 表示仅在训练前后评估"},
       .range = at_least(0), .aliases = {"eval_interval"}},
      {.name = "logging_steps", .field = field(&TrainConfig::logging_steps),
       .meaning = {"steps from one log line to the next; its losses, time and throughput are means over these steps. "
                   "metrics.jsonl has every step with its own values",
                   "两行日志之间的步数;日志中的损失、时间与吞吐量是这些步的平均。metrics.jsonl "
                   "记录每一步自身的值"},
       .range = at_least(1), .aliases = {"log_interval"}},
      {.name = "export_dtype", .field = field(&TrainConfig::export_dtype),
       .meaning = {"`bfloat16`, `float16`, `float32`, or `auto`: as the model that came in; `float16` refuses values beyond 65504",
                   "`bfloat16`、`float16`、`float32`,或 `auto`:与输入模型相同;`float16` 拒绝超出 65504 的值"},
       .range = one_of({"auto", "bfloat16", "float16", "float32"})},
      {.name = "sample_prompts", .field = field(&TrainConfig::sample_prompts),
       .meaning = {"texts continued before and after training; in stage `sft` questions that are answered",
                   "训练前后续写的文本;`sft` 阶段为要回答的问题"}},
      {.name = "sample_max_new_tokens", .field = field(&TrainConfig::sample_max_new_tokens),
       .meaning = {"tokens of each continuation at most",
                   "每段续写的最大 token 数"},
       .range = at_least(0)},
  };
}

}  // namespace ingot::config
