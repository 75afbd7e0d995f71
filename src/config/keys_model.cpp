// The model.
#include "config/key.h"

namespace ingot::config {

std::vector<Key> model_keys() {
  return {
      {.name = "model_name_or_path", .field = field(&TrainConfig::model_name_or_path),
       .meaning = {"Hugging Face folder: config.json, tokenizer files, safetensors or `pytorch_model*.bin`",
                   "Hugging Face 模型目录:config.json、分词器文件、safetensors 或 `pytorch_model*.bin`"},
       .required = true, .environment = "ORIGINAL_HF_WEIGHT"},
      {.name = "train_from_scratch", .field = field(&TrainConfig::train_from_scratch),
       .meaning = {"random weights; only config and tokenizer are read from the folder",
                   "随机初始化权重,只读取目录中的配置和分词器"}},
      {.name = "stage", .field = field(&TrainConfig::stage),
       .meaning = {"`pt`: pre-training on plain text; `sft`: fine-tuning on conversations",
                   "`pt`:纯文本预训练;`sft`:对话数据微调"},
       .range = one_of({"pt", "sft"}), .environment = "STAGE"},
      {.name = "finetuning_type", .field = field(&TrainConfig::finetuning_type),
       .meaning = {"`full`: every parameter; `lora`: a low-rank adapter",
                   "`full`:训练全部参数;`lora`:低秩适配器"},
       .range = one_of({"full", "lora"}), .environment = "FINETUNING_TYPE"},
      {.name = "precision", .field = field(&TrainConfig::precision),
       .meaning = {"`bf16` (with fp32 masters), `fp32`, or `auto`: bf16 where the device multiplies it in hardware",
                   "`bf16`(主权重为 fp32)、`fp32`,或 `auto`:设备硬件支持 bf16 乘法时用 bf16"},
       .range = one_of({"auto", "bf16", "fp32"})},
      {.name = "resize_vocab", .field = field(&TrainConfig::resize_vocab),
       .meaning = {"true: a tokenizer with more ids than the model has gets them: the embedding and the head grow, every new row "
                   "the mean of the old ones. Without it such a tokenizer is refused only where the data holds an id that the "
                   "model lacks. Not with LoRA",
                   "true:分词器的 id "
                   "多于模型词表时,嵌入层与输出头随之扩大,新行取原有各行的均值。不设时,仅当数据中出现模型没有的 "
                   "id 才拒绝。不能与 LoRA 同用"}},
      {.name = "resize_vocab_multiple", .field = field(&TrainConfig::resize_vocab_multiple),
       .meaning = {"the rows of a vocabulary that grows are a multiple of this",
                   "扩大后的词表行数为它的整数倍"},
       .range = between(1, 1 << 24)},
      {.name = "router_aux_loss_coef", .field = field(&TrainConfig::router_aux_loss_coef),
       .meaning = {"mixtures of experts: weight of the load-balancing loss in what is minimised; without the key it counts only "
                   "where config.json has `output_router_logits: true`; 0 leaves it out",
                   "混合专家模型:负载均衡损失在优化目标中的权重;不设此键时,仅当 config.json 中 "
                   "`output_router_logits: true` 才计入;0 表示不计入"},
       .absent = {"as config.json", "依 config.json"}, .range = at_least(0)},
      {.name = "device", .field = field(&TrainConfig::device),
       .meaning = {"where the model is trained: `cpu`, `cuda` (a GPU), `npu` (Ascend), or `auto`: a GPU or an NPU where there is one",
                   "训练所用的设备:`cpu`、`cuda`(GPU)、`npu`(昇腾),或 `auto`:有 GPU 或 NPU 时使用之"},
       .range = one_of({"auto", "cpu", "cuda", "npu"})},
      {.name = "recompute", .field = field(&TrainConfig::recompute),
       .meaning = {"what the backward pass computes again instead of keeping: `none`, `selective`, `full`",
                   "反向传播时重新计算而不保存的部分:`none`、`selective`、`full`"},
       .range = one_of({"none", "selective", "full"})},
  };
}

}  // namespace ingot::config
