#include "hub/lora_target.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/problems.h"
#include "core/words.h"
#include "data/tokenizer/text_pattern.h"
#include "hub/peft_names.h"
#include "model/family.h"

namespace ingot::hub {
namespace {

using Matches = std::function<bool(const std::string& module)>;

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

/// `expression` for a whole module path; any path may stand before it with `at_end`.
Matches expression_matches(const std::string& expression, bool at_end, const std::string& source) {
  const auto pattern = data::TextPattern::regex(fmt::format("\\A{}(?:{})\\z", at_end ? "(?:.*\\.)?" : "", expression), source);
  return [pattern](const std::string& module) { return pattern.find(module, 0).has_value(); };
}

Matches any_of(const std::vector<std::string>& names, bool expression, const std::string& source) {
  if (expression) return expression_matches(names.at(0), false, source);
  return [names](const std::string& module) {
    return std::any_of(names.begin(), names.end(), [&](const auto& name) { return module == name || module.ends_with("." + name); });
  };
}

/// True for a module that lies in, or is, one that `saved` names at a dot.
bool is_in_module(const std::string& module, const std::string& saved) {
  return ("." + module + ".").find("." + saved + ".") != std::string::npos;
}

/// The value of the first pattern that matches the end of the module's path.
template <class Value>
Value value_for(const std::vector<std::pair<std::string, Value>>& patterns, const std::string& key,
                const std::string& module, Value otherwise) {
  for (const auto& [expression, value] : patterns)
    if (expression_matches(expression, true, key)(module)) return value;
  return otherwise;
}

/// Names of modules that hold parameters, the last part of each once.
std::vector<std::string> known_modules(const model::CausalLm& model) {
  std::set<std::string> names;
  for (const auto& parameter : model.parameters.parameters) names.insert(last_part(modules_around(parameter->name).back()));
  return {names.begin(), names.end()};
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

/// Index of the layer that a module lies in: the first part of its path that is a number, behind two others and before one.
std::optional<int64_t> layer_index(const std::string& module) {
  std::istringstream parts(module);
  std::vector<std::string> path;
  for (std::string part; std::getline(parts, part, '.');) path.push_back(part);
  for (size_t i = 2; i + 1 < path.size(); ++i)
    if (is_number(path[i])) return std::stoll(path[i]);
  return {};
}

/// The same behind the first of `patterns` that matches.
std::optional<int64_t> layer_index(const std::string& module, const std::vector<std::string>& patterns) {
  if (patterns.empty()) return layer_index(module);
  for (const auto& pattern : patterns) {
    const auto before = data::TextPattern::regex(fmt::format("\\A(?:|.*?\\.){}\\.(?=\\d+\\.)", pattern), "layers_pattern").find(module, 0);
    if (before) return std::stoll(module.substr(before->end));
  }
  return {};
}

/// True also for a module that target_modules names by its whole path.
bool is_in_layers(const checkpoint::AdapterConfig& config, const std::string& module) {
  const auto& wanted = config.layers_to_transform;
  const auto& names = config.target_modules;
  if (wanted.empty() || is_one_of(module, names)) return true;
  const auto index = layer_index(module, config.layers_pattern);
  return index && std::find(wanted.begin(), wanted.end(), *index) != wanted.end();
}

bool is_saved_whole(const checkpoint::AdapterConfig& config, const std::string& module) {
  return std::any_of(config.modules_to_save.begin(), config.modules_to_save.end(),
                     [&](const auto& name) { return is_in_module(module, name) || is_in_module(newer_name(module), name); });
}

/// Names of the parameters that an entry of modules_to_save matches.
std::vector<std::string> saved_by(const std::string& target, const model::CausalLm& model) {
  const auto ends_so = [&](const std::string& path) { return path.ends_with(target); };
  std::vector<std::string> found;
  for (const auto& parameter : model.parameters.parameters) {
    const auto paths = modules_around(parameter->name), newer = modules_around(newer_name(parameter->name));
    if (std::any_of(paths.begin(), paths.end(), ends_so) || std::any_of(newer.begin(), newer.end(), ends_so)) found.push_back(parameter->name);
  }
  const auto& names = model::find_family(model.config.model_type)->names;
  if (model.config.tie_word_embeddings && ends_so(names.head)) found.push_back(names.embedding + ".weight");
  return found;
}

[[noreturn]] void refuse(const std::string& key, const std::string& found, const std::string& kind, const std::string& wanted,
                         const std::vector<std::string>& known) {
  const std::string near = nearest_word(last_part(found), known);
  throw ConfigError(fmt::format("{}: found {}, which matches no {}; wanted {}some of {}{}", key, found, kind, wanted,
                                fmt::join(known, ", "), near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

std::vector<std::string> last_parts(const model::CausalLm& model, const std::function<bool(const model::LinearLayer&)>& wanted) {
  std::set<std::string> names;
  for (const auto& layer : model.parameters.linear_layers)
    if (wanted(*layer)) names.insert(last_part(layer->module));
  return {names.begin(), names.end()};
}

/// A tied head is the embedding: an addition to one of them cannot be merged without changing the other.
void refuse_ends(const std::string& target, const Matches& matches, const model::CausalLm& model) {
  const auto& names = model::find_family(model.config.model_type)->names;
  const bool tied = model.config.tie_word_embeddings;
  for (const auto& end : {names.embedding, names.head}) {
    if (!matches(end)) continue;
    if (tied)
      throw ConfigError(fmt::format("lora_target: found {}; this model's head is its embedding, so an addition to one of them alone "
                                    "cannot be merged; wanted other layers, or additional_target: {} to train both whole",
                                    target, last_part(names.embedding)));
    if (model.config.norm_head && end == names.head)
      throw ConfigError(fmt::format("lora_target: found {}; this model normalises its head's rows, so nothing can be added to its output; "
                                    "wanted other layers, or additional_target: {}", target, last_part(end)));
  }
}

void refuse_tied_ends(const checkpoint::Adapter& adapter, const model::CausalLm& model, const std::string& source) {
  if (!model.config.tie_word_embeddings) return;
  const auto& names = model::find_family(model.config.model_type)->names;
  for (const auto& tensor : adapter.tensors)
    for (const auto& end : {names.embedding, names.head})
      if (tensor.name.starts_with(end + ".") && tensor.name != end + ".weight")
        throw DataError(fmt::format("{}: tensor {}: this model's head is its embedding, so an addition to one of them alone cannot be merged; "
                                    "wanted an adapter of other layers, or one with modules_to_save: [{}, {}]",
                                    source, tensor.name, last_part(names.embedding), last_part(names.head)));
}

bool has_addition_to(const checkpoint::Adapter& adapter, const std::string& name) {
  return std::any_of(adapter.tensors.begin(), adapter.tensors.end(), [&](const auto& tensor) {
    const auto module = checkpoint::module_of_first_factor(tensor.name);
    return module && last_part(*module) == name;
  });
}

bool is_all_linear(const checkpoint::AdapterConfig& config) {
  return config.target_is_expression && lower_case(config.target_modules.at(0)) == "all-linear";
}

/// Of a mixture those that the adapter adds to: routers and experts are linear layers in transformers 4, and none in 5.
std::vector<std::string> all_linear(const checkpoint::Adapter& adapter, const model::CausalLm& model) {
  auto names = last_parts(model, [](const auto& layer) { return layer.kind == model::LayerKind::kLinear || layer.kind == model::LayerKind::kRouter; });
  if (model.config.num_experts > 0) std::erase_if(names, [&](const auto& name) { return !has_addition_to(adapter, name); });
  return names;
}

}  // namespace

void settle_targets(checkpoint::Adapter& adapter, const model::CausalLm& model, const std::string& source) {
  refuse_tied_ends(adapter, model, source);
  auto& config = adapter.config;
  if (is_all_linear(config)) {
    config.target_modules = all_linear(adapter, model);
    config.target_is_expression = false;
  }
  if (!config.target_modules.empty() && targeted_modules(config, model).empty())
    throw DataError(fmt::format("{}: adapter_config.json: target_modules: found {}, which match no linear layer of the model; wanted some of {}",
                                source, fmt::join(config.target_modules, ", "), fmt::join(known_targets(model), ", ")));
}

std::vector<std::string> all_targets(const model::CausalLm& model) {
  return last_parts(model, [](const auto& layer) { return layer.kind == model::LayerKind::kLinear; });
}

std::vector<std::string> known_targets(const model::CausalLm& model) {
  return last_parts(model, [](const auto&) { return true; });
}

std::shared_ptr<const model::LinearLayer> find_layer(const model::CausalLm& model, const std::string& module) {
  const auto& layers = model.parameters.linear_layers;
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const auto& layer) { return layer->module == module; });
  return found == layers.end() ? nullptr : *found;
}

std::vector<std::string> targeted_modules(const checkpoint::AdapterConfig& config, const model::CausalLm& model) {
  std::vector<std::string> modules;
  if (config.target_modules.empty()) return modules;
  const auto targeted = any_of(config.target_modules, config.target_is_expression, "target_modules");
  const auto excluded = config.exclude_modules.empty() ? [](const std::string&) { return false; }
                                                       : any_of(config.exclude_modules, config.exclude_is_expression, "exclude_modules");
  for (const auto& layer : model.parameters.linear_layers) {
    const auto& module = layer->module;
    if (targeted(module) && !excluded(module) && !is_saved_whole(config, module) && is_in_layers(config, module)) modules.push_back(module);
  }
  return modules;
}

void check_targets(const checkpoint::AdapterConfig& config, const model::CausalLm& model) {
  const auto& layers = model.parameters.linear_layers;
  for (const auto& target : config.target_modules) {
    const auto matches = any_of({target}, config.target_is_expression, "lora_target");
    refuse_ends(target, matches, model);
    if (std::none_of(layers.begin(), layers.end(), [&](const auto& layer) { return matches(layer->module); }))
      refuse("lora_target", target, "linear layer", fmt::format("all, an expression for a whole path such as {}, or ", layers.front()->module),
             known_targets(model));
  }
  for (const auto& target : config.modules_to_save)
    if (saved_by(target, model).empty()) refuse("additional_target", target, "module", "", known_modules(model));
}

model::LoraPlan::Layer planned_layer(const checkpoint::AdapterConfig& config, const std::string& module) {
  const int64_t rank = value_for(config.rank_pattern, "rank_pattern", module, config.r);
  const double alpha = value_for(config.alpha_pattern, "alpha_pattern", module, config.lora_alpha);
  const auto size = static_cast<double>(rank);
  return {module, rank, alpha / (config.use_rslora ? std::sqrt(size) : size)};
}

std::vector<std::string> whole_parameters(const checkpoint::AdapterConfig& config, const model::CausalLm& model) {
  std::set<std::string> chosen;
  for (const auto& target : config.modules_to_save)
    for (const auto& name : saved_by(target, model)) chosen.insert(name);
  return {chosen.begin(), chosen.end()};
}

}  // namespace ingot::hub
