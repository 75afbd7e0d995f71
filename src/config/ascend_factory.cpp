#include "config/ascend_factory.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/key.h"
#include "core/error.h"
#include "core/json.h"
#include "core/printable.h"
#include "core/words.h"
#include "core/yaml_tree.h"

namespace ingot::config {
namespace fs = std::filesystem;
namespace {

/// Keys by their whole names, and the variable of the scripts that is the same.
const std::map<std::string, std::string, std::less<>> kVariables{
    {"dataset", "ORIGINAL_TRAIN_DATA_PATH"},
    {"backend_config.preprocess_data.input", "ORIGINAL_TRAIN_DATA_PATH"},
    {"model_name_or_path", "ORIGINAL_HF_WEIGHT"},
    {"backend_config.training.tokenizer_name_or_path", "ORIGINAL_HF_WEIGHT"},
    {"backend_config.megatron_training.tokenizer_name_or_path", "ORIGINAL_HF_WEIGHT"},
    {"processed_data_dir", "USER_PROCESSED_DATA_DIR"},
    {"backend_config.training.data_path", "USER_PROCESSED_DATA_DIR"},
    {"backend_config.megatron_training.data_path", "USER_PROCESSED_DATA_DIR"},
    {"backend_config.preprocess_data.handler_name", "DATA_TYPE"},
    {"handler_name", "DATA_TYPE"},
    {"data_type", "DATA_TYPE"},
    {"stage", "STAGE"},
    {"backend_config.training.stage", "STAGE"},
    {"finetuning_type", "FINETUNING_TYPE"},
    {"backend_config.training.finetuning_type", "FINETUNING_TYPE"},
    {"ckpt_load_type", "CKPT_LOAD_TYPE"},
    {"user_converted_ckpt_path", "USER_CONVERTED_CKPT_PATH"},
    {"train_auto_resume", "MA_TRAIN_AUTO_RESUME"},
    {"convert_mg2hf", "CONVERT_MG2HF"},
    {"tp", "TP"}, {"pp", "PP"}, {"cp", "CP"}, {"mbs", "MBS"}, {"gbs", "GBS"}, {"seq_len", "SEQ_LEN"}, {"lr", "LR"}, {"min_lr", "MIN_LR"},
    {"epoch", "EPOCH"}, {"train_iters", "TRAIN_ITERS"}, {"seed", "SEED"}, {"save_interval", "SAVE_INTERVAL"}, {"sn", "SN"}, {"max_pe", "MAX_PE"},
    {"tokenizer_path", "TOKENIZER_PATH"}};

const std::vector<std::string> kWithoutEffect{"mount_type", "scripts_dir", "scirpts_dir", "backend", "af_model_name", "exp_name"};
const std::vector<std::string> kOfTraining{"backend_config.training.", "backend_config.megatron_training."};

/// "backend_config.training.no-load-optim": one spelling of each name.
std::string plain_name(std::string name) {
  if (!name.starts_with("env.")) std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

struct FactoryReader {
  std::string source;
  std::map<std::string, Json> values = {};  // by whole name
  AscendFactoryJob job = {};

  [[noreturn]] void fail(const std::string& problem) const { throw ConfigError(fmt::format("{}: {}", source, problem)); }

  /// Blocks within, unless they are other models' or experiments'.
  void add(const Json& block, const std::string& outer, bool has_experiments) {
    for (const auto& [name, value] : block.items()) {
      if (value.is_object() && has_experiments && name != "env" && name != "backend_config") continue;
      if (value.is_object()) add(value, plain_name(outer + name) + ".", false);
      else values[plain_name(outer + name)] = value;
    }
  }

  const Json& block_of(const Json& above, const std::string& name, const std::string& what) const {
    if (above.contains(name) && above[name].is_object()) return above[name];
    std::vector<std::string> found;
    for (const auto& [other, value] : above.items())
      if (value.is_object()) found.push_back(other);
    fail(fmt::format("{}: found none of {}, wanted one of {}", what, in_quotes(name), fmt::join(found, ", ")));
  }

  void add_blocks(const Json& tree, const std::string& model, const std::string& experiment) {
    const Json base = tree.value("base", Json::object());
    const Json& models = base.is_object() && base.contains(model) ? base : tree;
    if (base.is_object()) add(base, "", true);
    const Json& of_model = block_of(models, model, "model");
    add(of_model, "", true);
    add(block_of(of_model, experiment, "experiment"), "", false);
  }

  void override_with(const std::string& text) {
    const size_t end = text.find('=');
    if (end == text.npos || end == 0) fail(fmt::format("--{}: wanted --name=value", text));
    values[plain_name(text.substr(0, end))] = text.substr(end + 1);
  }

  /// ${af_output_dir} and other names of this file.
  std::string expanded(std::string text) const {
    for (size_t at = 0, rounds = 0; (at = text.find("${", at)) != text.npos && rounds < 16; ++rounds) {
      const size_t end = text.find('}', at);
      if (end == text.npos) break;
      const auto found = values.find(plain_name(text.substr(at + 2, end - at - 2)));
      if (found == values.end() || !found->second.is_string()) fail(fmt::format("found {}, which this file does not have", text.substr(at, end - at + 1)));
      text.replace(at, end - at + 1, found->second.get<std::string>());
    }
    return text;
  }

  /// The text under any of these names; nothing where there is none, or null.
  std::string take(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names)
      if (const auto found = values.find(name); found != values.end()) {
        if (found->second.is_string()) text = expanded(found->second.get<std::string>());
        values.erase(found);
      }
    return text;
  }

  std::string take_of_training(const std::string& name) { return take({kOfTraining[0] + name, kOfTraining[1] + name}); }

  /// From 6.5.906 on the result is converted unless it is null.
  void read_conversion() {
    const auto found = values.find("backend_config.convert_ckpt_mg2hf");
    const bool is_new = std::any_of(values.begin(), values.end(), [](const auto& one) { return one.first.starts_with("backend_config."); });
    if (is_new) job.variables["CONVERT_MG2HF"] = found != values.end() && found->second.is_null() ? "FALSE" : "TRUE";
    if (found != values.end()) values.erase(found);
    std::erase_if(values, [](const auto& one) { return one.first.starts_with("backend_config.convert_ckpt_"); });
  }

  /// no-load-optim, no-load-rng and finetune false, and load: CONTRACT §6.3.
  void read_resume() {
    const std::string optim = take_of_training("no_load_optim"), rng = take_of_training("no_load_rng"), finetune = take_of_training("finetune"), load = take_of_training("load");
    const bool loads_all = optim == "false" && finetune == "false" && (rng.empty() || rng == "false");
    if (loads_all) job.variables["CKPT_LOAD_TYPE"] = "2";
    if (load.empty()) return;
    const bool is_own = fs::path(load).lexically_normal() == (job.output / "saved_checkpoints").lexically_normal();
    if (!is_own) job.variables["USER_CONVERTED_CKPT_PATH"] = load;
  }

  void read_value(const std::string& name, const Json& value) {
    if (value.is_null()) return;
    if (name.starts_with("env.")) {
      if (value.is_string()) job.variables[name.substr(4)] = value.get<std::string>();
      return;
    }
    if (is_one_of(name, kWithoutEffect)) return job.remarks.push_back(fmt::format("{} changes nothing here", name));
    if (const auto known = kVariables.find(name); known != kVariables.end() && value.is_string()) {
      job.variables[known->second] = value.get<std::string>();
      return;
    }
    std::string argument = name;
    for (const auto& prefix : kOfTraining)
      if (argument.starts_with(prefix)) argument = argument.substr(prefix.size());
    const bool is_key = find_key(argument) != nullptr;  // a switch of Megatron is there or not, a key may be false
    std::replace(argument.begin(), argument.end(), '_', '-');
    if (value == "false" && !is_key) return;
    job.arguments.push_back("--" + argument);
    if (value.is_string() && value != "true") job.arguments.push_back(value.get<std::string>());
    if (value.is_array())
      for (const auto& item : value) job.arguments.push_back(item.is_string() ? expanded(item.get<std::string>()) : json_text(item));
  }

  void read() {
    for (const char* name : {"output_dir", "af_output_dir"})
      if (const auto found = values.find(name); found != values.end() && found->second.is_string()) job.output = expanded(found->second.get<std::string>());
    if (job.output.empty()) fail("af_output_dir: found nothing, wanted a folder for logs and weights");
    read_conversion();
    read_resume();
    for (auto& [name, value] : values)
      if (value.is_string()) value = expanded(value.get<std::string>());
    take({"output_dir", "af_output_dir"});  // until here the others may name them
    for (const auto& [name, value] : values) read_value(name, value);
    if (const auto resumes = job.variables.find("MA_TRAIN_AUTO_RESUME"); resumes != job.variables.end()) resumes->second = lower_case(resumes->second);
  }
};

}  // namespace

AscendFactoryJob read_ascend_factory(const fs::path& file, const std::string& model, const std::string& experiment, const std::vector<std::string>& overrides) {
  const Json tree = read_yaml_tree(file);
  FactoryReader reader{file.string()};
  if (!tree.is_object()) reader.fail("wanted a mapping");
  if (model.empty()) reader.add(tree, "", false);
  else reader.add_blocks(tree, model, experiment);
  for (const auto& text : overrides) reader.override_with(text);
  reader.read();
  return std::move(reader.job);
}

}  // namespace ingot::config
