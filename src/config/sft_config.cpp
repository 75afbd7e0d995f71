#include "config/sft_config.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "data/sft/record_handler.h"
#include "data/sft/render_sample.h"

namespace ingot::config {
namespace {

constexpr double kMaxWeight = 1000;

/// Adds what `check` throws to the problems.
template <class Check>
void collect(Problems& problems, const Check& check) {
  try {
    check();
  } catch (const ConfigError& error) {
    problems.add(error.what());
  }
}

void check_weights(Problems& problems, const std::vector<double>& weights, size_t num_datasets) {
  if (weights.empty()) return;
  problems.expect(weights.size() == num_datasets, "dataset_weights", weights.size(), fmt::format("one for each of {} data sets", num_datasets));
  for (const double weight : weights)
    problems.expect(weight >= 0 && weight <= kMaxWeight, "dataset_weights", weight, fmt::format("0 to {}", kMaxWeight));
  problems.expect(std::accumulate(weights.begin(), weights.end(), 0.0) > 0, "dataset_weights", "0 for all", "one that is more");
}

void check_mix(Problems& problems, const SftConfig& config, size_t num_datasets) {
  const auto& probs = config.interleave_probs;
  const bool concat = config.mix_strategy == "concat";
  problems.expect(concat || config.mix_strategy == "interleave_under" || config.mix_strategy == "interleave_over", "mix_strategy",
                  config.mix_strategy, "concat, interleave_under or interleave_over");
  if (!concat && !config.dataset_weights.empty()) problems.add("mix_strategy: found together with dataset_weights, wanted one of them");
  if (probs.empty()) return;
  problems.expect(!concat, "interleave_probs", "given with mix_strategy concat", "mix_strategy interleave_under or interleave_over");
  problems.expect(probs.size() == num_datasets, "interleave_probs", probs.size(), fmt::format("one for each of {} data sets", num_datasets));
  for (const double prob : probs) problems.expect(prob >= 0 && prob <= 1, "interleave_probs", prob, "0 to 1");
  const double sum = std::accumulate(probs.begin(), probs.end(), 0.0);
  problems.expect(std::abs(sum - 1) < 1e-6, "interleave_probs", fmt::format("a sum of {}", sum), "1");
}

}  // namespace

void read_sft(YamlConfig& yaml, const std::string& stage, SftConfig& config) {
  yaml.read("template", config.chat_template);
  yaml.read("vendor_labels", config.vendor_labels);
  yaml.read("handler_name", config.handler_name);
  yaml.read("map_keys", config.map_keys);
  yaml.read("ignore_fields", config.ignore_fields);
  yaml.read("dataset_weights", config.dataset_weights);
  yaml.read("mix_strategy", config.mix_strategy);
  yaml.read("interleave_probs", config.interleave_probs);
  yaml.read("truncation", config.truncation);
  yaml.read("packing", config.packing);
  yaml.read("train_on_prompt", config.train_on_prompt);
  yaml.read("mask_history", config.mask_history);
  yaml.read("megatron_instruction_layout", config.megatron_instruction_layout);
  yaml.read("max_samples", config.max_samples);
  const std::vector<std::string> sft_only{"template", "vendor_labels", "map_keys", "ignore_fields", "dataset_weights", "mix_strategy", "interleave_probs", "truncation", "packing",
                                          "train_on_prompt", "mask_history", "megatron_instruction_layout", "max_samples"};
  const std::vector<std::string> pt_only{"json_keys", "append_eod", "reset_position_ids", "reset_attention_mask"};
  const bool is_sft = stage == "sft";
  yaml.refuse(is_sft ? pt_only : sft_only, fmt::format("found with stage {}, it is a key of stage {}", stage, is_sft ? "pt" : "sft"));
}

void check_sft(Problems& problems, SftConfig& config, const std::filesystem::path& model, size_t num_datasets) {
  collect(problems, [&] { data::plain_handler_name(config.handler_name); });
  collect(problems, [&] { data::MapKeys(config.map_keys); });
  collect(problems, [&] { data::truncation_of(config.truncation); });
  check_weights(problems, config.dataset_weights, num_datasets);
  check_mix(problems, config, num_datasets);
  problems.expect(config.max_samples >= 0, "max_samples", config.max_samples, "0 (all) or more");
  collect(problems, [&] {
    std::error_code told;  // of the model, by model_name_or_path
    if (config.chat_template.empty() && std::filesystem::exists(model / "config.json", told)) config.chat_template = data::detect_chat_template(model);
    if (!config.chat_template.empty()) data::make_chat_template(config.chat_template);
  });
}

void check_pretrain_handler(Problems& problems, const SftConfig& config) {
  problems.expect(config.handler_name == "auto" || data::is_pretrain_handler(config.handler_name), "handler_name", config.handler_name,
                  "GeneralPretrainHandler with stage pt");
}

}  // namespace ingot::config
