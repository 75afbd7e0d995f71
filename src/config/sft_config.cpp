#include "config/sft_config.h"

#include <fmt/format.h>

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "data/sft/record_handler.h"

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

/// Labels of earlier answers that one key takes away and another gives.
void check_labels(Problems& problems, const SftConfig& config, const data::ChatTemplate& chat) {
  problems.expect(!config.mask_history || !config.train_on_prompt, "mask_history", config.mask_history, "false with train_on_prompt, which makes every token a label");
  problems.expect(!config.mask_history || !chat.labels_everything(), "mask_history", config.mask_history,
                  fmt::format("false with vendor_labels of template {}, which make every token a label", chat.name()));
}

}  // namespace

void check_sft(Problems& problems, SftConfig& config, const std::filesystem::path& model) {
  collect(problems, [&] { data::plain_handler_name(config.handler_name); });
  collect(problems, [&] { data::MapKeys(config.map_keys); });
  collect(problems, [&] {
    std::error_code told;  // of the model, by model_name_or_path
    if (config.chat_template.empty() && std::filesystem::exists(model / "config.json", told)) config.chat_template = data::detect_chat_template(model);
    if (!config.chat_template.empty()) check_labels(problems, config, *data::make_chat_template(config.chat_template, {.vendor_labels = config.vendor_labels}));
  });
}

void check_pretrain_handler(Problems& problems, const SftConfig& config) {
  problems.expect(config.handler_name == "auto" || data::is_pretrain_handler(config.handler_name), "handler_name", config.handler_name,
                  "GeneralPretrainHandler with stage pt");
}

}  // namespace ingot::config
