#include "hub/peft_experts.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "hub/lora_target.h"

namespace ingot::hub {
namespace {

constexpr std::string_view kMixturePart = ".block_sparse_moe.", kExperts = "experts.";

/// What an adapter targets of the mixtures.
struct Targeted {
  std::set<std::string> matrices;           // of experts: w1, w2, w3
  std::map<std::string, size_t> in_layer;   // number of matrices of experts, by the path in front of the mixture
  std::vector<std::string> modules;         // routers too
};

Targeted targeted_of(const checkpoint::AdapterConfig& config, const model::CausalLm& model) {
  Targeted all;
  for (const auto& module : targeted_modules(config, model)) {
    const size_t place = module.find(kMixturePart);
    if (place == module.npos) continue;
    all.modules.push_back(module);
    if (module.substr(place + kMixturePart.size()).starts_with(kExperts)) {
      all.matrices.insert(module.substr(module.rfind('.') + 1));
      ++all.in_layer[module.substr(0, place)];
    }
  }
  return all;
}

}  // namespace

std::string trouble_in_peft(const checkpoint::AdapterConfig& config, const model::CausalLm& model) {
  const auto targeted = targeted_of(config, model);
  const auto& matrices = targeted.matrices;
  if (targeted.modules.empty()) return "";
  const size_t wanted = static_cast<size_t>(model.config.num_experts) * matrices.size();
  const bool some = std::any_of(targeted.in_layer.begin(), targeted.in_layer.end(), [&](const auto& layer) { return layer.second != wanted; });
  const auto has_own_size = [&](const std::string& module) {
    auto plain = config;
    plain.rank_pattern.clear(), plain.alpha_pattern.clear();
    const auto own = planned_layer(config, module), usual = planned_layer(plain, module);
    return own.rank != usual.rank || own.scale != usual.scale;
  };
  if (some) return "it is for some of a layer's experts, wanted all of them";
  if ((matrices.contains("w1") || matrices.contains("w3")) && matrices.size() < 3)
    return fmt::format("of the experts it is for {}, wanted w1, w2 and w3 together, or w2 alone", fmt::join(matrices, " and "));
  if (config.lora_dropout != 0) return fmt::format("lora_dropout: found {:g}, wanted 0 for experts and routers", config.lora_dropout);
  if (config.use_rslora && matrices.contains("w1")) return "use_rslora: found true, wanted false for experts, whose scale would be another";
  if (std::any_of(targeted.modules.begin(), targeted.modules.end(), has_own_size))
    return "rank_pattern, alpha_pattern: found sizes of experts or routers, wanted none";
  return "";
}

}  // namespace ingot::hub
