#include "hub/lora.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/printable.h"
#include "model/family.h"
#include "model/lora.h"
#include "hub/base_copies.h"
#include "hub/load_model.h"
#include "hub/lora_target.h"
#include "hub/peft_experts.h"
#include "hub/peft_names.h"

namespace ingot::hub {
namespace {

constexpr const char* kLayerKeys[] = {"exclude_modules", "layers_to_transform", "layers_pattern"};  // of adapters that were read

using checkpoint::Adapter;
using checkpoint::AdapterConfig;

std::string last_module(const std::string& parameter) {
  const std::string module = parameter.substr(0, parameter.rfind('.'));
  return module.substr(module.rfind('.') + 1);
}

AdapterConfig new_config(const ModelFolder& base, const LoraRequest& request, const model::CausalLm& model) {
  AdapterConfig made;
  made.base_model_name_or_path = base.path().string();
  made.r = request.rank;
  made.lora_alpha = request.alpha > 0 ? request.alpha : 2 * static_cast<double>(request.rank);
  made.lora_dropout = request.dropout;
  made.use_rslora = request.rslora;
  made.target_modules = request.target == std::vector<std::string>{"all"} ? all_targets(model) : request.target;
  made.target_is_expression = request.target_is_expression;
  made.modules_to_save = request.whole;
  return made;
}

/// A tied head and embedding are one parameter here and two modules for PEFT: both are saved.
void save_tied_pair(AdapterConfig& config, const model::CausalLm& model) {
  if (!model.config.tie_word_embeddings) return;
  const auto whole = whole_parameters(config, model);
  const auto [embedding, head] = model::end_names(model.config);
  if (std::find(whole.begin(), whole.end(), embedding) == whole.end()) return;
  for (const auto& name : {last_module(embedding), last_module(head)})
    if (std::find(config.modules_to_save.begin(), config.modules_to_save.end(), name) == config.modules_to_save.end())
      config.modules_to_save.push_back(name);
}

AdapterConfig checked_config(const ModelFolder& base, const LoraRequest& request, const model::CausalLm& model) {
  auto config = new_config(base, request, model);
  check_targets(config, model);
  save_tied_pair(config, model);
  return config;
}

void add_new(model::CausalLm& model, const AdapterConfig& config) {
  model::LoraPlan plan{.dropout = config.lora_dropout, .whole_parameters = whole_parameters(config, model)};
  for (const auto& module : targeted_modules(config, model)) plan.layers.push_back(planned_layer(config, module));
  model::add_lora(model.parameters, plan);
}

/// Fills the new parameters of the model from the seed; those that are trained whole keep their values.
model::ExactWeights fill_new(model::CausalLm& model, uint64_t seed, const model::ExactWeights& base) {
  for (const auto& parameter : model.parameters.parameters)
    if (checkpoint::is_factor(parameter->name)) parameter->fill(model::initial_value(*parameter, seed));
  return [&list = model.parameters, seed, base](const std::string& name) {
    return checkpoint::is_factor(name) ? model::initial_value(*list.find(name), seed) : base(name);
  };
}

/// The tensors of an adapter with the tied head left out, when it is the embedding as it must be.
std::map<std::string, at::Tensor> tensors_of(const Adapter& adapter, const model::CausalLm& model, const std::string& source) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, value] : adapter.tensors) tensors.emplace(name, value);
  if (!model.config.tie_word_embeddings) return tensors;
  const auto ends = model::end_names(model.config);
  const auto head = tensors.find(ends.head), table = tensors.find(ends.embedding);
  const bool has_head = head != tensors.end(), has_table = table != tensors.end();
  if (has_head != has_table || (has_head && !head->second.equal(table->second)))
    throw DataError(fmt::format("{}: tensor {}: the model's head is its embedding, wanted equal values of both", source,
                                has_head ? ends.head : ends.embedding));
  if (has_head) tensors.erase(head);
  return tensors;
}

void check_shape(const std::string& name, const at::Tensor& value, const Shape& wanted, const std::string& source) {
  if (value.sizes() != at::IntArrayRef(wanted))
    throw DataError(fmt::format("{}: tensor {}: found shape {}, wanted {}", source, name, to_string(value.sizes().vec()),
                                to_string(wanted)));
}

model::LoraPlan::Layer plan_layer(const Adapter& adapter, const std::map<std::string, at::Tensor>& tensors,
                                  const std::string& module, const model::CausalLm& model, const std::string& source) {
  const auto layer = find_layer(model, module);
  if (!layer)
    throw DataError(fmt::format("{}: the model has no linear layer {} that an addition fits; wanted one of {}", source, module,
                                fmt::join(known_targets(model), ", ")));
  const auto planned = planned_layer(adapter.config, module);
  const auto [a, b] = model::factor_names(module, layer->kind);
  for (const auto& name : {a, b})
    if (!tensors.contains(name)) throw DataError(fmt::format("{}: tensor {} is not there, which the layer's addition wants", source, name));
  check_shape(a, tensors.at(a), {planned.rank, layer->in}, source);
  check_shape(b, tensors.at(b), {layer->out, planned.rank}, source);
  return planned;
}

model::LoraPlan plan_of(const Adapter& adapter, const std::map<std::string, at::Tensor>& tensors, const model::CausalLm& model,
                        const std::string& source) {
  model::LoraPlan plan{.dropout = adapter.config.lora_dropout};
  for (const auto& [name, value] : tensors) {
    if (const auto module = checkpoint::module_of_first_factor(name)) {
      plan.layers.push_back(plan_layer(adapter, tensors, *module, model, source));
    } else if (!checkpoint::is_factor(name)) {
      const auto parameter = model.parameters.find(name);
      if (!parameter) throw DataError(fmt::format("{}: tensor {}: the model has no such parameter", source, name));
      check_shape(name, value, parameter->shape, source);
      plan.whole_parameters.push_back(name);
    }
  }
  return plan;
}

/// Adds the adapter and returns its tensors by parameter.
std::map<std::string, at::Tensor> attach(model::CausalLm& model, const Adapter& adapter, const std::string& source) {
  auto tensors = tensors_of(adapter, model, source);
  model::add_lora(model.parameters, plan_of(adapter, tensors, model, source));
  for (const auto& [name, value] : tensors) model.parameters.find(name)->fill(value);
  return tensors;
}

/// Names of the tensors that an adapter of this config holds; a tied head's is its embedding's.
std::set<std::string> targeted_tensors(const AdapterConfig& config, const model::CausalLm& model) {
  const auto whole = whole_parameters(config, model);
  std::set<std::string> names(whole.begin(), whole.end());
  for (const auto& module : targeted_modules(config, model)) {
    const auto [a, b] = model::factor_names(module, find_layer(model, module)->kind);
    names.insert({a, b});
  }
  return names;
}

void warn_of(const std::vector<std::string>& tensors, const std::string& source, const std::string& what) {
  if (tensors.empty()) return;
  log_warning(fmt::format("{}: {}: {}{} {}", source, in_quotes(tensors.front()), tensors.size() > 1 ? fmt::format("and {} more ", tensors.size() - 1) : "",
                          tensors.size() > 1 ? "are" : "is", what));
}

}  // namespace

void attach_adapter(model::CausalLm& model, const Adapter& adapter, const std::string& source) { attach(model, adapter, source); }

Adapter fitted_adapter(const ModelFolder& base, const model::CausalLm& model, Adapter adapter, const std::string& source) {
  settle_targets(adapter, model, source);
  use_models_names(adapter, model, source);
  check_base_copies(adapter, base, model, source);
  drop_base_copies(adapter, model, source);
  auto tensors = tensors_of(adapter, model, source);
  plan_of(adapter, tensors, model, source);
  if (adapter.config.target_modules.empty()) return adapter;
  const auto wanted = targeted_tensors(adapter.config, model);
  std::vector<std::string> missing, surplus;
  for (const auto& name : wanted)
    if (!tensors.contains(name)) missing.push_back(name);
  for (const auto& [name, value] : tensors)
    if (!wanted.contains(name)) surplus.push_back(name);
  warn_of(missing, source, "targeted by adapter_config.json and not in the adapter's file: what they are for stays as the base has it");
  warn_of(surplus, source, "in the adapter's file and not targeted by adapter_config.json: they are left out, as in PEFT");
  std::erase_if(adapter.tensors, [&](const auto& t) { return std::find(surplus.begin(), surplus.end(), t.name) != surplus.end(); });
  return adapter;
}

std::unique_ptr<model::CausalLm> load_adapted_model(const ModelFolder& folder, const std::filesystem::path& adapter,
                                                    const Compute& compute) {
  auto model = load_model(folder, compute);
  if (!adapter.empty()) attach_adapter(*model, fitted_adapter(folder, *model, checkpoint::read_adapter(adapter), adapter.string()), adapter.string());
  return model;
}

void add_tied_head(Adapter& adapter, const model::DecoderConfig& config) {
  const auto ends = model::end_names(config);
  const auto found = std::find_if(adapter.tensors.begin(), adapter.tensors.end(), [&](const auto& t) { return t.name == ends.embedding; });
  if (found != adapter.tensors.end()) adapter.tensors.push_back({ends.head, at::Tensor(found->value)});
}

int64_t check_lora(const ModelFolder& base, const LoraRequest& request) {
  const auto model = model::build_model(base.config(), at::kFloat, "meta");
  if (request.go_on_from.empty()) {
    add_new(*model, checked_config(base, request, *model));
  } else {
    auto adapter = checkpoint::read_adapter(request.go_on_from);
    const auto source = request.go_on_from.string();
    settle_targets(adapter, *model, source);
    use_models_names(adapter, *model, source);
    drop_base_copies(adapter, *model, source);
    model::add_lora(model->parameters, plan_of(adapter, tensors_of(adapter, *model, source), *model, source));
  }
  return model->parameters.num_trainable();
}

LoraStart start_lora(const ModelFolder& base, const LoraRequest& request, model::CausalLm& model, const model::ExactWeights& exact) {
  LoraStart start;
  if (request.go_on_from.empty()) {
    start.config = checked_config(base, request, model);
    add_new(model, start.config);
    start.exact_weights = fill_new(model, request.seed, exact);
  } else {
    const auto adapter = fitted_adapter(base, model, checkpoint::read_adapter(request.go_on_from), request.go_on_from.string());
    start.config = adapter.config;
    start.config.base_model_name_or_path = base.path().string();
    start.exact_weights = [tensors = attach(model, adapter, request.go_on_from.string())](const std::string& name) {
      return tensors.at(name);
    };
  }
  if (const auto trouble = trouble_in_peft(start.config, model); !trouble.empty())
    log_warning(fmt::format("PEFT beside transformers 5 cannot use this run's adapter: {}; the merged model, and PEFT beside transformers 4, can",
                            trouble));
  const int64_t all = model.parameters.num_elements(), trainable = model.parameters.num_trainable();
  log_info(fmt::format("LoRA: {:.3f} M of {:.2f} M parameters are trained ({:.2f}%)", static_cast<double>(trainable) / 1e6,
                       static_cast<double>(all) / 1e6, 100.0 * static_cast<double>(trainable) / static_cast<double>(all)));
  return start;
}

Json adapter_identity(const AdapterConfig& config) {
  const Json whole = config.to_json();
  Json identity{{"finetuning_type", "lora"},
                {"lora_rank", whole["r"]},
                {"lora_alpha", whole["lora_alpha"]},
                {"lora_dropout", whole["lora_dropout"]},
                {"use_rslora", whole["use_rslora"]},
                {"lora_target", whole["target_modules"]},
                {"additional_target", whole["modules_to_save"]},
                {"rank_pattern", whole["rank_pattern"]},
                {"alpha_pattern", whole["alpha_pattern"]}};
  for (const char* key : kLayerKeys)
    if (!whole[key].is_null()) identity[key] = whole[key];
  return identity;
}

AdapterConfig adapter_of_identity(const Json& fixed, const std::string& source) {
  const auto field = [&](const char* name) { return fixed.value(name, Json()); };
  Json json{{"peft_type", "LORA"},
                                   {"r", field("lora_rank")},
                                   {"lora_alpha", field("lora_alpha")},
                                   {"lora_dropout", field("lora_dropout")},
                                   {"use_rslora", field("use_rslora")},
                                   {"target_modules", field("lora_target")},
                                   {"modules_to_save", field("additional_target")},
                                   {"rank_pattern", field("rank_pattern")},
                                   {"alpha_pattern", field("alpha_pattern")}};
  for (const char* key : kLayerKeys) json[key] = field(key);
  return AdapterConfig::from_json(json, source);
}

}  // namespace ingot::hub
