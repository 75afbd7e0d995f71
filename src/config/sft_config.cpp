#include "config/sft_config.h"

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "data/sft/record_handler.h"
#include "data/sft/render_sample.h"

namespace ingot::config {
namespace {

/// Adds what `check` throws to the problems.
template <class Check>
void collect(Problems& problems, const Check& check) {
  try {
    check();
  } catch (const ConfigError& error) {
    problems.add(error.what());
  }
}

}  // namespace

void read_sft(YamlConfig& yaml, const std::string& stage, SftConfig& config) {
  yaml.read("template", config.chat_template);
  yaml.read("vendor_labels", config.vendor_labels);
  yaml.read("handler_name", config.handler_name);
  yaml.read("map_keys", config.map_keys);
  yaml.read("ignore_fields", config.ignore_fields);
  yaml.read("truncation", config.truncation);
  yaml.read("packing", config.packing);
  yaml.read("train_on_prompt", config.train_on_prompt);
  yaml.read("mask_history", config.mask_history);
  yaml.read("megatron_instruction_layout", config.megatron_instruction_layout);
  yaml.read("max_samples", config.max_samples);
  const std::vector<std::string> sft_only{"template", "vendor_labels", "map_keys", "ignore_fields", "truncation", "packing",
                                          "train_on_prompt", "mask_history", "megatron_instruction_layout", "max_samples"};
  const std::vector<std::string> pt_only{"json_keys", "append_eod", "reset_position_ids", "reset_attention_mask"};
  const bool is_sft = stage == "sft";
  yaml.refuse(is_sft ? pt_only : sft_only, fmt::format("found with stage {}, it is a key of stage {}", stage, is_sft ? "pt" : "sft"));
}

void check_sft(Problems& problems, SftConfig& config, const std::filesystem::path& model) {
  collect(problems, [&] { data::plain_handler_name(config.handler_name); });
  collect(problems, [&] { data::MapKeys(config.map_keys); });
  collect(problems, [&] { data::truncation_of(config.truncation); });
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
