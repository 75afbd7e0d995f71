#include "config/train_config.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "config/check_paths.h"
#include "config/key.h"
#include "core/yaml_config.h"

namespace ingot::config {
namespace fs = std::filesystem;
namespace {

/// Reports a value outside the range of its key. Paths, switches, lists of texts and mappings have none.
template <class T>
void check_range(Problems& problems, const Key& key, const T& value) {
  const auto expect = [&](const auto& one) { problems.expect(key.range.holds(one), std::string(key.name), one, key.range.text()); };
  if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, double>) expect(value);
  if constexpr (std::is_same_v<T, int64_t>) problems.expect(key.range.holds(static_cast<double>(value)), std::string(key.name), value, key.range.text());
  if constexpr (std::is_same_v<T, std::optional<double>>)
    if (value) expect(*value);
  if constexpr (std::is_same_v<T, std::vector<double>>)
    for (const double one : value) expect(one);
}

void read_key(YamlConfig& yaml, const Key& key, TrainConfig& config) {
  const std::string name(key.name);
  for (const auto alias : key.aliases) yaml.rename(std::string(alias), name);
  std::visit([&](const auto& place) {
    yaml.read(name, place(config));
    check_range(yaml.problems(), key, place(config));
  }, key.field);
}

void read_keys(YamlConfig& yaml, TrainConfig& config) {
  for (const auto& section : key_table())
    for (const auto& key : section.keys) read_key(yaml, key, config);
  for (const auto& section : key_table())
    for (const auto& key : section.keys)
      if (!key.stage.empty() && key.stage != config.stage)
        yaml.refuse({std::string(key.name)}, fmt::format("found with stage {}, it is a key of stage {}", config.stage, key.stage));
}

constexpr int64_t kMaxBatchTokens = int64_t{1} << 31;

void check_lora(YamlConfig& yaml, const TrainConfig& config) {
  auto& problems = yaml.problems();
  if (!config.adapter_name_or_path.empty())  // it brings its own shape
    yaml.refuse({"lora_rank", "lora_alpha", "lora_dropout", "use_rslora", "lora_target", "additional_target"},
                "found with adapter_name_or_path, wanted one of the two: the adapter has its own");
  if (config.finetuning_type != "lora") return;
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

void check_pipeline(Problems& problems, const TrainConfig& config) {
  problems.expect(config.virtual_pipeline_model_parallel_size == 1 || config.pipeline_model_parallel_size > 1, "virtual_pipeline_model_parallel_size",
                  config.virtual_pipeline_model_parallel_size, "1 with pipeline_model_parallel_size 1");
}

/// Parts of the model or of rows that ranks share, and how many logical ones there are whatever the ranks.
void check_shards(Problems& problems, const TrainConfig& config, const char* ranks_key, int64_t ranks, const char* shards_key, int64_t shards) {
  if (ranks < 1) return;  // which is refused already
  problems.expect(!config.reproducible || std::has_single_bit(static_cast<uint64_t>(ranks)), ranks_key, ranks, "a power of two with reproducible");
  problems.expect(shards == 0 || (std::has_single_bit(static_cast<uint64_t>(shards)) && shards % ranks == 0), shards_key, shards,
                  fmt::format("a power of two that is a multiple of {} = {}", ranks_key, ranks));
}

void check_context(Problems& problems, const TrainConfig& config) {
  const int64_t pieces = 2 * std::max(config.context_parallel_size, config.logical_context_shards);
  problems.expect(pieces <= 2 || config.cutoff_len % pieces == 0, "cutoff_len", config.cutoff_len,
                  fmt::format("a multiple of {}: twice the parts into which the tokens of a row are cut", pieces));
}

/// Numbers that do not fit each other.
void check_numbers(Problems& problems, const TrainConfig& config) {
  problems.expect(config.stage != "sft" || config.cutoff_len != 1, "cutoff_len", config.cutoff_len, "2 or more with stage sft");
  problems.expect(config.cutoff_len < 1 || config.micro_batch_size <= kMaxBatchTokens / config.cutoff_len, "micro_batch_size", config.micro_batch_size,
                  fmt::format("at most {} rows of cutoff_len = {} tokens", kMaxBatchTokens / std::max<int64_t>(1, config.cutoff_len), config.cutoff_len));
  problems.expect(config.micro_batch_size < 1 || config.global_batch_size < 1 || config.global_batch_size % config.micro_batch_size == 0,
                  "global_batch_size", config.global_batch_size, fmt::format("a multiple of micro_batch_size = {}", config.micro_batch_size));
  problems.expect(std::has_single_bit(static_cast<uint64_t>(config.logical_shards)), "logical_shards", config.logical_shards, "a power of two");
  check_shards(problems, config, "tensor_model_parallel_size", config.tensor_model_parallel_size, "logical_tensor_shards", config.logical_tensor_shards);
  check_shards(problems, config, "context_parallel_size", config.context_parallel_size, "logical_context_shards", config.logical_context_shards);
  check_context(problems, config);
  check_pipeline(problems, config);
  problems.expect(config.max_steps != 0 || config.num_train_epochs != 0, "num_train_epochs", config.num_train_epochs,
                  "more than 0, or max_steps set");
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
  read_keys(yaml, config);
  check_lora(yaml, config);
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
