#include "config/train_config.h"

#include <algorithm>

#include "config/check_paths.h"
#include "core/yaml_config.h"

namespace ingot::config {
namespace fs = std::filesystem;
namespace {

void read_model(YamlConfig& yaml, TrainConfig& config) {
  yaml.read("model_name_or_path", config.model_name_or_path);
  yaml.read("train_from_scratch", config.train_from_scratch);
  yaml.read("stage", config.stage);
  yaml.read("finetuning_type", config.finetuning_type);
  yaml.read("resize_vocab", config.resize_vocab);
  yaml.read("resize_vocab_multiple", config.resize_vocab_multiple);
  yaml.read("precision", config.precision);
  yaml.read("recompute", config.recompute);
  yaml.read("router_aux_loss_coef", config.router_aux_loss_coef);
}

/// An adapter to go on from brings its own shape.
void read_lora(YamlConfig& yaml, TrainConfig& config) {
  yaml.read("lora_rank", config.lora_rank);
  yaml.read("lora_alpha", config.lora_alpha);
  yaml.read("lora_dropout", config.lora_dropout);
  yaml.read("use_rslora", config.use_rslora);
  yaml.read("lora_target", config.lora_target);
  yaml.read("additional_target", config.additional_target);
  yaml.read("adapter_name_or_path", config.adapter_name_or_path);
  if (config.adapter_name_or_path.empty()) return;
  yaml.refuse({"lora_rank", "lora_alpha", "lora_dropout", "use_rslora", "lora_target", "additional_target"},
              "found with adapter_name_or_path, wanted one of the two: the adapter has its own");
}

void read_data(YamlConfig& yaml, TrainConfig& config) {
  yaml.read("dataset", config.dataset);
  yaml.read("eval_dataset", config.eval_dataset);
  yaml.read("json_keys", config.json_keys);
  yaml.read("cutoff_len", config.cutoff_len);
  yaml.read("append_eod", config.append_eod);
  yaml.read("reset_position_ids", config.reset_position_ids);
  yaml.read("reset_attention_mask", config.reset_attention_mask);
  yaml.read("shuffle", config.shuffle);
  yaml.read("val_size", config.val_size);
  yaml.read("preprocessing_num_workers", config.preprocessing_num_workers);
  read_mix(yaml, config.mix);
}

void read_steps(YamlConfig& yaml, TrainConfig& config) {
  yaml.read("micro_batch_size", config.micro_batch_size);
  yaml.read("global_batch_size", config.global_batch_size);
  yaml.read("max_steps", config.max_steps);
  yaml.read("num_train_epochs", config.num_train_epochs);
  yaml.read("seed", config.seed);
}

void read_optimizer(YamlConfig& yaml, TrainConfig& config) {
  yaml.read("learning_rate", config.learning_rate);
  yaml.read("min_lr", config.min_lr);
  yaml.read("lr_scheduler_type", config.lr_scheduler_type);
  yaml.read("warmup_steps", config.warmup_steps);
  yaml.read("warmup_ratio", config.warmup_ratio);
  yaml.read("lr_wsd_decay_steps", config.lr_wsd_decay_steps);
  yaml.read("weight_decay", config.weight_decay);
  yaml.read("adam_beta1", config.adam_beta1);
  yaml.read("adam_beta2", config.adam_beta2);
  yaml.read("adam_epsilon", config.adam_epsilon);
  yaml.read("max_grad_norm", config.max_grad_norm);
}

void read_output(YamlConfig& yaml, TrainConfig& config) {
  yaml.read("output_dir", config.output_dir);
  yaml.read("overwrite_output_dir", config.overwrite_output_dir);
  yaml.read("save_steps", config.save_steps);
  yaml.read("save_total_limit", config.save_total_limit);
  yaml.read("eval_steps", config.eval_steps);
  yaml.read("logging_steps", config.logging_steps);
  yaml.read("export_dtype", config.export_dtype);
  yaml.read("sample_prompts", config.sample_prompts);
  yaml.read("sample_max_new_tokens", config.sample_max_new_tokens);
}

void expect_one_of(Problems& problems, const std::string& key, const std::string& value,
                   const std::vector<std::string>& choices) {
  const bool known = std::find(choices.begin(), choices.end(), value) != choices.end();
  problems.expect(known, key, value, fmt::format("one of {}", fmt::join(choices, ", ")));
}

void check_choices(Problems& problems, const TrainConfig& config) {
  expect_one_of(problems, "stage", config.stage, {"pt", "sft"});
  expect_one_of(problems, "finetuning_type", config.finetuning_type, {"full", "lora"});
  expect_one_of(problems, "precision", config.precision, {"auto", "bf16", "fp32"});
  expect_one_of(problems, "recompute", config.recompute, {"none", "selective", "full"});
  expect_one_of(problems, "lr_scheduler_type", config.lr_scheduler_type, {"cosine", "linear", "constant", "wsd"});
  expect_one_of(problems, "export_dtype", config.export_dtype, {"auto", "bfloat16", "float16", "float32"});
}

constexpr int64_t kMaxRow = int64_t{1} << 24, kMaxBatchTokens = int64_t{1} << 31;  // tokens
constexpr int64_t kMaxWorkers = 1024;

void check_lora(Problems& problems, const TrainConfig& config) {
  if (config.finetuning_type != "lora") return;
  problems.expect(config.lora_rank >= 1 && config.lora_rank <= 65536, "lora_rank", config.lora_rank, "1 to 65536");
  problems.expect(config.lora_alpha >= 0 && config.lora_alpha <= 1e9, "lora_alpha", config.lora_alpha, "more than 0 and at most 1e9, or 0 for twice the rank");
  problems.expect(config.lora_dropout >= 0 && config.lora_dropout < 1, "lora_dropout", config.lora_dropout, "0 or more and below 1");
  const auto& targets = config.lora_target;
  const bool alone = targets.size() == 1;
  problems.expect(!targets.empty(), "lora_target", "nothing", "all, names of linear layers, or an expression");
  for (const auto& target : targets)
    problems.expect(alone || (!is_expression(target) && target != "all"), "lora_target", target,
                    "names of linear layers, or all or one expression alone (in [\"\"] when it has a comma)");
  problems.expect(!config.train_from_scratch, "train_from_scratch", config.train_from_scratch, "false with finetuning_type lora");
  problems.expect(!config.resize_vocab, "resize_vocab", config.resize_vocab, "false with finetuning_type lora, whose base keeps its shape");
}

/// Rows kept apart that nobody evaluates with, and evaluations without rows.
void check_evaluation(Problems& problems, const TrainConfig& config) {
  const bool has_sets = !config.eval_dataset.empty();
  problems.expect(!has_sets || config.val_size == 0, "val_size", config.val_size, "0 with eval_dataset, which is evaluated with in its place");
  problems.expect(config.eval_steps <= 0 || has_sets || config.val_size > 0, "eval_steps", config.eval_steps,
                  "0, or val_size or eval_dataset to evaluate with");
}

void check_numbers(Problems& problems, const TrainConfig& config) {
  const auto at_least = [&](const char* key, auto value, auto least) {
    problems.expect(value >= least, key, value, fmt::format("{} or more", least));
  };
  const auto between = [&](const char* key, int64_t value, int64_t least, int64_t most) {
    problems.expect(value >= least && value <= most, key, value, fmt::format("{} to {}", least, most));
  };
  between("cutoff_len", config.cutoff_len, config.stage == "sft" ? 2 : 1, kMaxRow);
  between("resize_vocab_multiple", config.resize_vocab_multiple, 1, kMaxRow);
  between("micro_batch_size", config.micro_batch_size, 1, kMaxRow);
  between("preprocessing_num_workers", config.preprocessing_num_workers, 0, kMaxWorkers);
  problems.expect(config.cutoff_len < 1 || config.micro_batch_size <= kMaxBatchTokens / config.cutoff_len, "micro_batch_size", config.micro_batch_size,
                  fmt::format("at most {} rows of cutoff_len = {} tokens", kMaxBatchTokens / std::max<int64_t>(1, config.cutoff_len), config.cutoff_len));
  problems.expect(config.micro_batch_size < 1 ||
                      (config.global_batch_size >= 1 && config.global_batch_size % config.micro_batch_size == 0),
                  "global_batch_size", config.global_batch_size,
                  fmt::format("a multiple of micro_batch_size = {}", config.micro_batch_size));
  at_least("max_steps", config.max_steps, 0);
  problems.expect(config.max_steps > 0 || config.num_train_epochs > 0, "num_train_epochs", config.num_train_epochs,
                  "more than 0, or max_steps set");
  for (const auto& [key, value] : {std::pair{"save_steps", config.save_steps}, {"save_total_limit", config.save_total_limit},
                                   {"eval_steps", config.eval_steps}, {"warmup_steps", config.warmup_steps},
                                   {"lr_wsd_decay_steps", config.lr_wsd_decay_steps},
                                   {"sample_max_new_tokens", config.sample_max_new_tokens}})
    at_least(key, value, 0);
  at_least("logging_steps", config.logging_steps, 1);
  for (const auto& [key, value] : {std::pair{"learning_rate", config.learning_rate}, {"min_lr", config.min_lr},
                                   {"weight_decay", config.weight_decay}, {"max_grad_norm", config.max_grad_norm},
                                   {"val_size", config.val_size},
                                   {"router_aux_loss_coef", config.router_aux_loss_coef.value_or(0)}})
    at_least(key, value, 0.0);
  for (const auto& [key, value] : {std::pair{"adam_beta1", config.adam_beta1}, {"adam_beta2", config.adam_beta2},
                                   {"warmup_ratio", config.warmup_ratio}})
    problems.expect(value >= 0 && value < 1, key, value, "0 or more and below 1");
  problems.expect(config.adam_epsilon > 0, "adam_epsilon", config.adam_epsilon, "more than 0");
  problems.expect(config.min_lr <= config.learning_rate, "min_lr", config.min_lr,
                  fmt::format("at most learning_rate = {}", config.learning_rate));
  problems.expect(config.json_keys.size() == 1, "json_keys", fmt::format("{}", fmt::join(config.json_keys, ",")),
                  "one text column for training");
}

}  // namespace

bool is_expression(const std::string& target) {
  return !std::all_of(target.begin(), target.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '-'; });
}

TrainConfig load_train_config(const fs::path& file, const std::vector<std::string>& overrides) {
  YamlConfig yaml(file, overrides);
  TrainConfig config;
  config.source = file;
  read_model(yaml, config);
  read_lora(yaml, config);
  read_data(yaml, config);
  read_sft(yaml, config.stage, config.sft);
  read_steps(yaml, config);
  read_optimizer(yaml, config);
  read_output(yaml, config);
  check_choices(yaml.problems(), config);
  check_lora(yaml.problems(), config);
  check_paths(yaml.problems(), config);
  check_numbers(yaml.problems(), config);
  check_evaluation(yaml.problems(), config);
  check_mix(yaml.problems(), config.mix, config.dataset.size());
  if (config.stage == "sft") check_sft(yaml.problems(), config.sft, config.model_name_or_path);
  else check_pretrain_handler(yaml.problems(), config.sft);
  yaml.finish();
  config.in_effect = yaml.in_effect();
  return config;
}

}  // namespace ingot::config
