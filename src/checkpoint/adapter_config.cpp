#include "checkpoint/adapter_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

constexpr const char* kPeftVersion = "0.21.2";  // whose files these are; tests read and write with it
constexpr int64_t kMaxRank = 1 << 16;
constexpr double kMaxAlpha = 1e9;
constexpr int64_t kMaxLayers = 1 << 16;

std::string text_of(const Json& value) {
  return value.is_string() ? in_quotes(value.get<std::string>()) : printable(json_text(value));
}

[[noreturn]] void refuse(const std::string& source, const std::string& key, const Json& found, const std::string& wanted) {
  throw DataError(fmt::format("{}: {}: found {}, wanted {}", source, key, text_of(found), wanted));
}

/// Typed values of the file; an absent or null key gives the default.
struct Reader {
  const Json& json;
  const std::string& source;

  const Json* find(const std::string& key) const {
    const auto found = json.find(key);
    return found == json.end() || found->is_null() ? nullptr : &*found;
  }
  double number(const std::string& key, double otherwise) const {
    const Json* value = find(key);
    if (value && !(value->is_number() && std::isfinite(value->get<double>()))) refuse(source, key, *value, "a number");
    return value ? value->get<double>() : otherwise;
  }
  double alpha(const std::string& key, const Json& value) const {
    if (!value.is_number() || !(std::abs(value.get<double>()) <= kMaxAlpha))
      refuse(source, key, value, fmt::format("a number from {:g} to {:g}", -kMaxAlpha, kMaxAlpha));
    return value.get<double>();
  }
  int64_t rank(const std::string& key, const Json& value) const {
    if (!value.is_number_integer() || value.get<double>() < 1 || value.get<double>() > kMaxRank)
      refuse(source, key, value, fmt::format("a whole number from 1 to {}", kMaxRank));
    return value.get<int64_t>();
  }
  bool flag(const std::string& key) const {
    const Json* value = find(key);
    if (value && !value->is_boolean()) refuse(source, key, *value, "true or false");
    return value && value->get<bool>();
  }
  std::string text(const std::string& key) const {
    const Json* value = find(key);
    if (value && !value->is_string()) refuse(source, key, *value, "a text");
    return value ? value->get<std::string>() : "";
  }
  std::vector<std::string> texts(const std::string& key) const {
    const Json* value = find(key);
    if (!value) return {};
    const bool sound = value->is_array() && std::all_of(value->begin(), value->end(), [](const Json& item) { return item.is_string(); });
    if (!sound) refuse(source, key, *value, "a list of texts");
    return value->get<std::vector<std::string>>();
  }
  /// A list of texts, or one text alone; `alone` tells which.
  std::vector<std::string> text_or_texts(const std::string& key, bool& alone) const {
    const Json* value = find(key);
    alone = value && value->is_string();
    return alone ? std::vector{value->get<std::string>()} : texts(key);
  }
  std::vector<int64_t> indices(const std::string& key) const {
    const Json* value = find(key);
    if (!value) return {};
    const Json list = value->is_array() ? *value : Json::array({*value});
    for (const auto& item : list)
      if (!item.is_number_integer() || item.get<double>() < 0 || item.get<double>() >= kMaxLayers)
        refuse(source, key, *value, "a layer's index or a list of them");
    return list.get<std::vector<int64_t>>();
  }
  const Json& object(const std::string& key) const {
    static const Json empty = Json::object();
    const Json* value = find(key);
    if (value && !value->is_object()) refuse(source, key, *value, "an object");
    return value ? *value : empty;
  }
};

/// False for null, false, and what is empty.
bool says_something(const Json& value) { return !(value.empty() || value == false || value == ""); }

/// Keys of PEFT that say where an adapter comes from or how its first values were made, or that are read or refused here.
const std::set<std::string>& known_keys() {
  static const std::set<std::string> keys{
      "peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode", "r",
      "target_modules", "exclude_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "use_rslora", "modules_to_save",
      "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "megatron_config",
      "megatron_core", "trainable_token_indices", "loftq_config", "eva_config", "corda_config", "lora_ga_config", "use_dora",
      "velora_config", "alora_invocation_tokens", "use_qalora", "qalora_group_size", "monteclora_config", "layer_replication",
      "lora_bias", "target_parameters", "use_bdlora", "arrow_config", "kasa_config", "ensure_weight_tying", "runtime_config"};
  return keys;
}

void warn_unknown(const Reader& read) {
  for (const auto& [key, value] : read.json.items())
    if (!known_keys().contains(key) && says_something(value))
      log_warning(fmt::format("{}: {}: found {}, a key that is unknown here: it is left out", read.source, printable(key), text_of(value)));
}

/// Every layer that an addition fits is a linear layer, for which PEFT takes the key as false too.
void warn_fan_in(const Reader& read) {
  if (read.flag("fan_in_fan_out"))
    log_warning(fmt::format("{}: fan_in_fan_out: found true, taken as false: the model's layers are linear ones", read.source));
}

/// Keys that change the result when set, and are not built here.
void refuse_unsupported(const Reader& read) {
  const std::string kind = read.text("peft_type");
  if (kind != "LORA") refuse(read.source, "peft_type", kind, "LORA");
  for (const char* key : {"use_dora", "lora_bias", "use_qalora"})
    if (read.flag(key)) refuse(read.source, key, true, "false");
  if (const Json* bias = read.find("bias"); bias && *bias != "none") refuse(read.source, "bias", *bias, "none");
  for (const char* key : {"target_parameters", "trainable_token_indices", "layer_replication", "alora_invocation_tokens",
                          "arrow_config", "velora_config", "monteclora_config", "use_bdlora", "kasa_config"})
    if (const Json* value = read.find(key); value && says_something(*value)) refuse(read.source, key, *value, "null");
  static const std::vector<Json> harmless{true, false, "gaussian", "orthogonal", "eva"};
  const Json* start = read.find("init_lora_weights");
  if (start && std::find(harmless.begin(), harmless.end(), *start) == harmless.end())
    refuse(read.source, "init_lora_weights", *start, "true, false, gaussian, orthogonal or eva: others change the base weights");
}

void read_targets(const Reader& read, AdapterConfig& config) {
  bool alone = false;
  config.target_modules = read.text_or_texts("target_modules", config.target_is_expression);
  config.exclude_modules = read.text_or_texts("exclude_modules", config.exclude_is_expression);
  config.layers_to_transform = read.indices("layers_to_transform");
  config.layers_pattern = read.text_or_texts("layers_pattern", alone);
  config.modules_to_save = read.texts("modules_to_save");
  if (config.target_is_expression && !config.layers_to_transform.empty())
    refuse(read.source, "layers_to_transform", config.layers_to_transform, "null where target_modules is an expression");
}

/// A list, one expression alone, or null for nothing.
Json names_or_expression(const std::vector<std::string>& names, bool is_expression) {
  if (names.empty()) return nullptr;
  return is_expression ? Json(names.at(0)) : Json(names);
}

template <class Value>
Json list_or_null(const std::vector<Value>& values) {
  return values.empty() ? Json() : Json(values);
}

/// Whole numbers without a decimal point, as PEFT's integer fields have them.
Json plain_number(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<int64_t>(value);
  return value;
}

}  // namespace

AdapterConfig AdapterConfig::from_json(const Json& json, const std::string& source) {
  if (!json.is_object()) refuse(source, "the file", json, "an object");
  const Reader read{json, source};
  refuse_unsupported(read);
  warn_unknown(read);
  warn_fan_in(read);
  AdapterConfig config;
  config.base_model_name_or_path = read.text("base_model_name_or_path");
  if (const Json* r = read.find("r")) config.r = read.rank("r", *r);
  if (const Json* alpha = read.find("lora_alpha")) config.lora_alpha = read.alpha("lora_alpha", *alpha);
  config.lora_dropout = read.number("lora_dropout", 0);
  if (config.lora_dropout < 0 || config.lora_dropout >= 1)
    refuse(source, "lora_dropout", config.lora_dropout, "at least 0 and below 1");
  config.use_rslora = read.flag("use_rslora");
  read_targets(read, config);
  for (const auto& [expression, rank] : read.object("rank_pattern").items())
    config.rank_pattern.emplace_back(expression, read.rank("rank_pattern", rank));
  for (const auto& [expression, alpha] : read.object("alpha_pattern").items())
    config.alpha_pattern.emplace_back(expression, read.alpha("alpha_pattern", alpha));
  return config;
}

Json AdapterConfig::to_json() const {
  Json ranks = Json::object(), alphas = Json::object();
  for (const auto& [expression, rank] : rank_pattern) ranks[expression] = rank;
  for (const auto& [expression, alpha] : alpha_pattern) alphas[expression] = plain_number(alpha);
  const Json base = base_model_name_or_path.empty() ? Json() : Json(base_model_name_or_path);
  return {{"alpha_pattern", alphas},
          {"auto_mapping", nullptr},
          {"base_model_name_or_path", base},
          {"bias", "none"},
          {"exclude_modules", names_or_expression(exclude_modules, exclude_is_expression)},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"init_lora_weights", true},
          {"layer_replication", nullptr},
          {"layers_pattern", list_or_null(layers_pattern)},
          {"layers_to_transform", list_or_null(layers_to_transform)},
          {"loftq_config", Json::object()},
          {"lora_alpha", plain_number(lora_alpha)},
          {"lora_bias", false},
          {"lora_dropout", lora_dropout},
          {"megatron_config", nullptr},
          {"megatron_core", "megatron.core"},
          {"modules_to_save", list_or_null(modules_to_save)},
          {"peft_type", "LORA"},
          {"peft_version", kPeftVersion},
          {"r", r},
          {"rank_pattern", ranks},
          {"revision", nullptr},
          {"target_modules", names_or_expression(target_modules, target_is_expression)},
          {"target_parameters", nullptr},
          {"task_type", "CAUSAL_LM"},
          {"trainable_token_indices", nullptr},
          {"use_dora", false},
          {"use_rslora", use_rslora}};
}

}  // namespace ingot::checkpoint
