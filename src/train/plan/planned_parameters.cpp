#include "train/plan/planned_parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <set>

#include "core/error.h"
#include "core/problems.h"
#include "core/words.h"
#include "data/tokenizer/text_pattern.h"

namespace ingot::train {
namespace {

using Matches = std::function<bool(const std::string& module)>;

/// "model.layers.0.mlp.up_proj" of "model.layers.0.mlp.up_proj.weight".
std::string module_of(const std::string& parameter) { return parameter.substr(0, parameter.rfind('.')); }
std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

Use use_of(const model::ParameterSpec& spec, const model::DecoderConfig& config, const model::DecoderNames& names) {
  const std::string module = module_of(spec.name), last = last_part(module);
  if (module == names.embedding) return Use::kEmbedding;
  if (module == names.head) return Use::kHead;
  if (is_one_of(last, names.qkv)) return Use::kQkv;
  if (is_one_of(last, names.gate_up)) return Use::kGateUp;
  if (config.num_experts > 0 && spec.expert < 0 && last == "gate") return Use::kRouter;
  // Qwen's attention and MLP end in maps of one name.
  if (last == names.down && module.find("." + names.mlp + ".") != module.npos) return Use::kDown;
  return last == names.attention_out ? Use::kAttentionOut : Use::kNorm;
}

bool is_matrix(const PlannedParameter& parameter) { return parameter.spec.shape.size() == 2; }

/// Whether "all" means it: the linear maps of the layers, routers left out.
bool is_layer_map(const PlannedParameter& parameter) {
  return is_matrix(parameter) && parameter.spec.layer >= 0 && parameter.use != Use::kRouter;
}

/// Whether an addition to it can be merged: not where embedding and head are one, nor to a normalised head.
bool can_adapt(const PlannedParameter& parameter, const model::DecoderConfig& config) {
  if (!is_matrix(parameter)) return false;
  if (parameter.use == Use::kHead) return !config.tie_word_embeddings && !config.norm_head;
  return parameter.use != Use::kEmbedding || !config.tie_word_embeddings;
}

Matches module_named(const std::string& target, bool is_expression) {
  if (!is_expression) return [target](const std::string& module) { return module == target || module.ends_with("." + target); };
  const auto pattern = data::TextPattern::regex(fmt::format("\\A(?:{})\\z", target), "lora_target");
  return [pattern](const std::string& module) { return pattern.find(module, 0).has_value(); };
}

[[noreturn]] void refuse(const std::string& key, const std::string& found, const std::vector<PlannedParameter>& parameters) {
  std::set<std::string> names;
  for (const auto& parameter : parameters) names.insert(last_part(module_of(parameter.spec.name)));
  const std::string near = nearest_word(last_part(found), {names.begin(), names.end()});
  throw ConfigError(fmt::format("{}: found {}, which this model has not; wanted some of {}{}", key, found, fmt::join(names, ", "),
                                near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

void adapt(std::vector<PlannedParameter>& parameters, const model::DecoderConfig& config, const Tuning& tuning, const std::string& target) {
  const bool all = target == "all" || (tuning.of_adapter && lower_case(target) == "all-linear");
  const auto matches = module_named(target, tuning.target_is_expression);
  bool found = false;
  for (auto& parameter : parameters) {
    if (all ? !is_layer_map(parameter) : !can_adapt(parameter, config) || !matches(module_of(parameter.spec.name))) continue;
    found = true;
    if (!parameter.trained) parameter.adapter_rank = tuning.rank;
  }
  if (!found && !tuning.of_adapter) refuse("lora_target", target, parameters);
}

/// Modules around a parameter, outermost first, each by its path.
bool lies_in(const std::string& parameter, const std::string& ending) {
  for (size_t dot = parameter.find('.'); dot != parameter.npos; dot = parameter.find('.', dot + 1))
    if (parameter.substr(0, dot).ends_with(ending)) return true;
  return false;
}

void train_whole(std::vector<PlannedParameter>& parameters, const model::DecoderConfig& config, const model::DecoderNames& names,
                 const Tuning& tuning, const std::string& target) {
  bool found = false;
  for (auto& parameter : parameters) {
    const bool is_tied_head = config.tie_word_embeddings && parameter.use == Use::kEmbedding && names.head.ends_with(target);
    if (is_tied_head || lies_in(parameter.spec.name, target)) found = parameter.trained = true;
  }
  if (!found && !tuning.of_adapter) refuse("additional_target", target, parameters);
}

int64_t size_of_part(const model::ParameterSpec& spec, int64_t tp) {
  return num_elements(parallel::part_shape(spec.split, spec.shape, tp)).value();
}

/// A [rank, in] and B [out, rank], each cut as the matrix is on its side.
int64_t adapter_size_of_part(const PlannedParameter& parameter, int64_t tp) {
  const Shape part = parallel::part_shape(parameter.spec.split, parameter.spec.shape, tp);
  return parameter.adapter_rank * (part[0] + part[1]);
}

ValueCount count_of(const PlannedParameter& parameter, int64_t tp) {
  const int64_t whole = size_of_part(parameter.spec, tp), added = parameter.adapter_rank > 0 ? adapter_size_of_part(parameter, tp) : 0;
  return {.held = whole + added, .trained = (parameter.trained ? whole : 0) + added, .largest_trained = parameter.trained ? whole : added};
}

}  // namespace

void ValueCount::add(const ValueCount& other) {
  held += other.held, trained += other.trained;
  largest_trained = std::max(largest_trained, other.largest_trained);
}

void PartCount::add(const PartCount& other) {
  attention.add(other.attention);
  feed_forward.add(other.feed_forward);
  experts.add(other.experts);
}

std::vector<PlannedParameter> planned_parameters(const model::DecoderConfig& config, const Tuning& tuning) {
  const auto* family = model::find_family(config.model_type);
  if (family == nullptr) throw ConfigError(fmt::format("model_type: found {}, which is no family of this version", config.model_type));
  std::vector<PlannedParameter> parameters;
  for (auto& spec : model::parameter_specs(config, *family)) {
    const Use use = use_of(spec, config, family->names);
    parameters.push_back({std::move(spec), use, !tuning.lora, 0});
  }
  if (!tuning.lora) return parameters;
  for (const auto& target : tuning.whole) train_whole(parameters, config, family->names, tuning, target);
  for (const auto& target : tuning.target) adapt(parameters, config, tuning, target);
  return parameters;
}

PartCounts part_counts(const std::vector<PlannedParameter>& parameters, const model::DecoderConfig& config, int64_t tp, int64_t ep) {
  PartCounts counts{.layers = std::vector<PartCount>(static_cast<size_t>(config.num_layers))};
  const int64_t own_experts = config.num_experts / std::max<int64_t>(1, ep);  // those of the first rank stand for all
  for (const auto& parameter : parameters) {
    const auto& spec = parameter.spec;
    counts.whole.add(count_of(parameter, 1));
    if (spec.expert >= own_experts) continue;
    PartCount& part = spec.layer >= 0                    ? counts.layers[static_cast<size_t>(spec.layer)]
                      : parameter.use == Use::kEmbedding ? counts.embedding
                      : parameter.use == Use::kHead      ? counts.head
                                                         : counts.final_norm;
    const bool attends = parameter.use == Use::kQkv || parameter.use == Use::kAttentionOut;
    (spec.expert >= 0 ? part.experts : attends ? part.attention : part.feed_forward).add(count_of(parameter, tp));
  }
  return counts;
}

int64_t num_values(const std::vector<PlannedParameter>& parameters) {
  int64_t sum = 0;
  for (const auto& parameter : parameters) sum += num_elements(parameter.spec.shape).value();
  return sum;
}

int64_t num_trained(const std::vector<PlannedParameter>& parameters) {
  int64_t sum = 0;
  for (const auto& parameter : parameters) sum += count_of(parameter, 1).trained;
  return sum;
}

}  // namespace ingot::train
