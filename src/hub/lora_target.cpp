#include "hub/lora_target.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "core/error.h"
#include "data/tokenizer/text_pattern.h"
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

Matches target_matches(const std::string& target, bool expression) {
  if (expression) return expression_matches(target, false, "lora_target");
  return [target](const std::string& module) { return module == target || module.ends_with("." + target); };
}

/// True for a module that lies in, or is, one that `saved` names at a dot.
bool lies_in(const std::string& module, const std::string& saved) {
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

/// Paths of the modules that a parameter lies in, outermost first: "model", "model.norm".
std::vector<std::string> modules_around(const std::string& parameter) {
  std::vector<std::string> paths;
  for (size_t dot = parameter.find('.'); dot != std::string::npos; dot = parameter.find('.', dot + 1))
    paths.push_back(parameter.substr(0, dot));
  return paths;
}

/// Names of modules that hold parameters, the last part of each once.
std::string known_modules(const model::CausalLm& model) {
  std::set<std::string> names;
  for (const auto& parameter : model.parameters.parameters) names.insert(last_part(modules_around(parameter->name).back()));
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::vector<std::string> all_targets(const model::CausalLm& model) {
  std::set<std::string> names;
  for (const auto& layer : model.parameters.linear_layers) names.insert(last_part(layer->module));
  return {names.begin(), names.end()};
}

std::vector<std::string> targeted_modules(const checkpoint::AdapterConfig& config, const model::CausalLm& model) {
  const auto& layers = model.parameters.linear_layers;
  std::set<std::string> chosen;
  for (const auto& target : config.target_modules) {
    const auto matches = target_matches(target, config.target_is_expression);
    const size_t before = chosen.size();
    for (const auto& layer : layers)
      if (matches(layer->module)) chosen.insert(layer->module);
    const bool any = chosen.size() > before || std::any_of(chosen.begin(), chosen.end(), matches);
    if (!any)
      throw ConfigError(fmt::format("lora_target: found {}, which matches no linear layer; wanted all, an expression for a whole "
                                    "path such as {}, or some of {}", target, layers.front()->module, fmt::join(all_targets(model), ", ")));
  }
  std::vector<std::string> modules;
  for (const auto& layer : layers) {
    const auto saved = [&](const std::string& name) { return lies_in(layer->module, name); };
    const bool whole = std::any_of(config.modules_to_save.begin(), config.modules_to_save.end(), saved);
    if (chosen.contains(layer->module) && !whole) modules.push_back(layer->module);
  }
  return modules;
}

model::LoraPlan::Layer planned_layer(const checkpoint::AdapterConfig& config, const std::string& module) {
  const int64_t rank = value_for(config.rank_pattern, "rank_pattern", module, config.r);
  const double alpha = value_for(config.alpha_pattern, "alpha_pattern", module, config.lora_alpha);
  const auto size = static_cast<double>(rank);
  return {module, rank, alpha / (config.use_rslora ? std::sqrt(size) : size)};
}

std::vector<std::string> whole_parameters(const checkpoint::AdapterConfig& config, const model::CausalLm& model) {
  std::set<std::string> chosen;
  const auto& parameters = model.parameters.parameters;
  for (const auto& target : config.modules_to_save) {
    const auto ends_so = [&](const std::string& path) { return path.ends_with(target); };
    bool any = false;
    for (const auto& parameter : parameters) {
      const auto paths = modules_around(parameter->name);
      if (!std::any_of(paths.begin(), paths.end(), ends_so)) continue;
      any = chosen.insert(parameter->name).second || true;
    }
    const auto& names = model::find_family(model.config.model_type)->names;
    if (!any && model.config.tie_word_embeddings && ends_so(names.head)) any = chosen.insert(names.embedding + ".weight").second || true;
    if (!any)
      throw ConfigError(fmt::format("additional_target: found {}, which matches no module; wanted some of {}", target,
                                    known_modules(model)));
  }
  return {chosen.begin(), chosen.end()};
}

}  // namespace ingot::hub
