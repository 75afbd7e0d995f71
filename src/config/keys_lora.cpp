// LoRA.
#include "config/key.h"

namespace ingot::config {

std::vector<Key> lora_keys() {
  return {
      {.name = "lora_rank", .field = field(&TrainConfig::lora_rank),
       .meaning = {"rank of the additions",
                   "低秩增量的秩"},
       .range = between(1, 65536), .aliases = {"lora_r"}},
      {.name = "lora_alpha", .field = field(&TrainConfig::lora_alpha),
       .meaning = {"scale of the additions: alpha / rank",
                   "增量的缩放:alpha / rank"},
       .absent = {"2 * rank", "2 * rank"}, .range = between(0, 1e9)},
      {.name = "lora_dropout", .field = field(&TrainConfig::lora_dropout),
       .meaning = {"share of an addition's inputs that is dropped",
                   "增量输入被丢弃的比例"},
       .range = share_below_1()},
      {.name = "use_rslora", .field = field(&TrainConfig::use_rslora),
       .meaning = {"scale alpha / sqrt(rank)",
                   "缩放改为 alpha / sqrt(rank)"}},
      {.name = "lora_target", .field = field(&TrainConfig::lora_target),
       .meaning = {"`all` linear layers inside the model's layers; or any of them, an MoE router (`gate`), `lm_head` and "
                   "`embed_tokens` (where the two are not tied): ends of their Hugging Face paths, such as `q_proj,v_proj` or "
                   "`c_attn`; or one regular expression for whole paths, in `[\"...\"]` when it has a comma; of a "
                   "Mixtral's experts take `w1,w2,w3` or `w2`, with `lora_dropout: 0`, where PEFT beside transformers 5 is to read the "
                   "adapter: a line says so at the start",
                   "`all` 为模型各层内的所有线性层;或其中任意几个、MoE 路由(`gate`)、`lm_head` 与 "
                   "`embed_tokens`(二者不共享权重时): Hugging Face 模块路径的结尾,如 "
                   "`q_proj,v_proj`、`c_attn`;或一个匹配整条路径的正则表达式,含逗号时写作 `[\"...\"]`;若要让 PEFT 配合 transformers 5 "
                   "读取适配器,Mixtral 的专家应取 `w1,w2,w3` 或 `w2`,且 `lora_dropout: 0`,否则启动时会有一行提示"},
       .aliases = {"lora_target_modules", "target_modules"}},
      {.name = "additional_target", .field = field(&TrainConfig::additional_target),
       .meaning = {"modules that are trained and saved whole, by the ends of their paths: `embed_tokens`, `lm_head`, `norm`; of a "
                   "Mixtral also `mlp.gate`, `experts`, written as PEFT beside transformers 5 reads them",
                   "完整训练并保存的模块,按路径结尾匹配:`embed_tokens`、`lm_head`、`norm`;Mixtral 还有 "
                   "`mlp.gate`、`experts`,按 PEFT 配合 transformers 5 的格式写出"},
       .aliases = {"modules_to_save", "lora_modules_to_save"}},
      {.name = "adapter_name_or_path", .field = field(&TrainConfig::adapter_name_or_path),
       .meaning = {"an adapter folder to go on from, in place of the keys above; its layers, ranks and exclusions stay as its "
                   "config has them",
                   "从这个适配器文件夹继续训练,代替以上各键;其层、秩与排除项保持适配器配置原样"}},
  };
}

}  // namespace ingot::config
