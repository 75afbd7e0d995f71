#include "config/sft_config.h"

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

}  // namespace

void check_sft(Problems& problems, SftConfig& config, const std::filesystem::path& model) {
  collect(problems, [&] { data::plain_handler_name(config.handler_name); });
  collect(problems, [&] { data::MapKeys(config.map_keys); });
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
