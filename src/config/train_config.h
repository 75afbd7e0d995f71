#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/mix_config.h"
#include "config/sft_config.h"
#include "core/yaml_config.h"

namespace ingot::config {

/// One YAML file: everything a run needs. Names are those of the Hugging Face Trainer and LLaMA-Factory, or Megatron's
/// where only Megatron has the thing. docs/config.md lists them.
struct TrainConfig {
  std::filesystem::path source;  // the YAML file itself
  std::string in_effect;         // every key with its value, as YAML

  // Model
  std::filesystem::path model_name_or_path;  // a Hugging Face folder
  bool train_from_scratch = false;           // random weights; only config and tokenizer are read from the folder
  std::string stage = "pt";                  // pt: pre-training on plain text; sft: on conversations
  std::string finetuning_type = "full";      // full: every parameter; lora: an adapter
  bool resize_vocab = false;                 // grow the vocabulary to the tokenizer's,
  int64_t resize_vocab_multiple = 64;        // up to a multiple of this
  std::string precision = "auto";            // bf16, fp32; auto: bf16 where the device has bf16 products
  std::string device = "auto";               // cpu, cuda, npu
  std::string recompute = "none";            // none, selective, full
  std::optional<double> router_aux_loss_coef;  // weight of the experts' balance; absent: as config.json says

  // LoRA
  int64_t lora_rank = 8;
  double lora_alpha = 0;                      // 0: twice the rank
  double lora_dropout = 0;
  bool use_rslora = false;                    // scale alpha / sqrt(rank)
  std::vector<std::string> lora_target = {"all"};  // ends of module paths, or one expression for whole paths
  std::vector<std::string> additional_target;      // modules trained and saved whole
  std::filesystem::path adapter_name_or_path;      // an adapter to go on from

  // Data
  std::vector<std::string> dataset, eval_dataset;     // files or folders
  std::vector<std::string> json_keys = {"text"};      // text column
  int64_t cutoff_len = 1024;                          // tokens a row
  bool append_eod = true, reset_position_ids = false, reset_attention_mask = false, shuffle = true;
  double val_size = 0;                                // rows (sft: samples) kept apart: a share below 1, else a number
  int64_t preprocessing_num_workers = 0;              // 0: all cores

  MixConfig mix;                                      // how data sets make up an epoch
  SftConfig sft;                                      // what only stage sft has

  // Batches and steps
  int64_t micro_batch_size = 1, global_batch_size = 8, max_steps = 0;  // max_steps 0: by num_train_epochs
  double num_train_epochs = 1;
  uint64_t seed = 42;
  int64_t tensor_model_parallel_size = 1;              // ranks that share the matrices; the others share the rows
  int64_t pipeline_model_parallel_size = 1;            // ranks that share the layers
  int64_t virtual_pipeline_model_parallel_size = 1;    // chunks of layers of each of them
  int64_t context_parallel_size = 1;                   // ranks that share the tokens of a row
  int64_t expert_model_parallel_size = 1;              // of the ranks that share the rows, so many neighbours share the experts
  int64_t zero_stage = 0;                              // 1: ranks that share the batch share the optimizer's state
  bool reproducible = false;                           // bits that depend on neither ranks nor threads:
  int64_t logical_shards = 8;                          // sums in a fixed tree over so many parts of the batch
  int64_t logical_context_shards = 0;                  // and of the tokens of a row; 0: context_parallel_size
  int64_t logical_tensor_shards = 0;                   // and so many of the matrices; 0: tensor_model_parallel_size

  // Optimizer
  double learning_rate = 5e-5, min_lr = 0, warmup_ratio = 0, weight_decay = 0;
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8, max_grad_norm = 1;
  std::string lr_scheduler_type = "cosine";           // cosine, linear, constant, wsd
  int64_t warmup_steps = 0, lr_wsd_decay_steps = 0;

  // Output
  std::filesystem::path output_dir;
  bool overwrite_output_dir = false;                  // throws an earlier run's checkpoints away
  int64_t save_steps = 500, save_total_limit = 2, eval_steps = 0, logging_steps = 1;
  std::string export_dtype = "auto";                  // auto: the dtype of the model that came in
  Texts sample_prompts;                               // continued before and after training
  int64_t sample_max_new_tokens = 48;
};

/// True when a lora_target is an expression, and not the end of a module's path.
bool is_expression(const std::string& target);

/// Reads and checks a file, with "key=value" overrides. Throws one ConfigError with every problem found.
TrainConfig load_train_config(const std::filesystem::path& file, const std::vector<std::string>& overrides);

}  // namespace ingot::config
