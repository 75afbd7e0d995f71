// Conversations, stage sft.
#include "config/key.h"

namespace ingot::config {

std::vector<Key> conversation_keys() {
  return {
      {.name = "template", .field = field(&TrainConfig::sft, &SftConfig::chat_template),
       .meaning = {"name of a chat template, or a YAML file that describes one; without it the one that fits the model folder",
                   "对话模板的名称,或描述模板的 YAML 文件;不填时取与模型目录相符的模板"},
       .absent = {"by the model", "由模型决定"}, .stage = "sft", .aliases = {"prompt_type"}},
      {.name = "vendor_labels", .field = field(&TrainConfig::sft, &SftConfig::vendor_labels),
       .meaning = {"labels as the model's own vendor sets them, where that differs from the answers alone",
                   "按模型厂商自己的脚本设置标签(与只训练回答不同之处)"},
       .stage = "sft"},
      {.name = "handler_name", .field = field(&TrainConfig::sft, &SftConfig::handler_name),
       .meaning = {"format of the records: `alpaca`, `sharegpt`, `openai`, `moss`, `moss_per_turn`, `auto` by their keys, or a "
                   "ModelArts name; in stage `pt` only GeneralPretrainHandler",
                   "记录格式:`alpaca`、`sharegpt`、`openai`、`moss`、`moss_per_turn`,`auto` 按键名识别,或 ModelArts "
                   "的名称;`pt` 阶段只能是 GeneralPretrainHandler"},
       .environment = "DATA_TYPE"},
      {.name = "map_keys", .field = field(&TrainConfig::sft, &SftConfig::map_keys),
       .meaning = {"other names of columns and tags: `{prompt: question, response: answer}`",
                   "列与标签的其他名称:`{prompt: question, response: answer}`"},
       .stage = "sft"},
      {.name = "ignore_fields", .field = field(&TrainConfig::sft, &SftConfig::ignore_fields),
       .meaning = {"stage `sft`: columns, and fields of messages, that are taken for absent; `reasoning_content` stands for "
                   "reasoning however it is written. Records that they would have refused are trained",
                   "`sft` 阶段:视为不存在的列和消息字段;`reasoning_content` "
                   "代表任何写法的推理;因它们而被拒绝的记录照常训练"},
       .stage = "sft"},
      {.name = "truncation", .field = field(&TrainConfig::sft, &SftConfig::truncation),
       .meaning = {"of what is longer than `cutoff_len`: `cut_response`, `cut_prompt`, `skip`, `error`",
                   "超过 `cutoff_len` 时:`cut_response`、`cut_prompt`、`skip`、`error`"},
       .range = one_of({"cut_response", "cut_prompt", "skip", "error"}), .stage = "sft"},
      {.name = "packing", .field = field(&TrainConfig::sft, &SftConfig::packing),
       .meaning = {"samples share rows of up to `cutoff_len` tokens, by best fit",
                   "多个样本按最佳适应法装入不超过 `cutoff_len` 的一行"},
       .stage = "sft"},
      {.name = "train_on_prompt", .field = field(&TrainConfig::sft, &SftConfig::train_on_prompt),
       .meaning = {"every token is a label, but for answers of weight 0",
                   "所有 token 都是标签,权重为 0 的回答除外"},
       .stage = "sft"},
      {.name = "mask_history", .field = field(&TrainConfig::sft, &SftConfig::mask_history),
       .meaning = {"only the last answer of a conversation is a label",
                   "只有最后一个回答是标签"},
       .stage = "sft"},
      {.name = "max_samples", .field = field(&TrainConfig::sft, &SftConfig::max_samples),
       .meaning = {"records read of each data set at most; 0: all",
                   "每个数据集最多读取的记录数;0 表示全部"},
       .range = at_least(0), .stage = "sft"},
      {.name = "megatron_instruction_layout", .field = field(&TrainConfig::sft, &SftConfig::megatron_instruction_layout),
       .meaning = {"writes Megatron's three instruction files beside our own",
                   "另外写出 Megatron 的三组指令文件"},
       .stage = "sft"},
  };
}

}  // namespace ingot::config
