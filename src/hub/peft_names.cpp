#include "hub/peft_names.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "checkpoint/fused_experts.h"
#include "core/error.h"

namespace ingot::hub {

using checkpoint::Adapter;

namespace {

/// Mixtral's mixture of experts: its makers' name, which is the model's here, and transformers 5's; see fused_experts.h.
constexpr std::string_view kMixture = ".block_sparse_moe", kNewMixture = ".mlp";
constexpr std::string_view kRouter = ".block_sparse_moe.gate.weight", kNewRouter = ".mlp.gate.weight", kFirstExpert = ".0.w1.weight";
constexpr const char* kFusedDown = ".down_proj";

std::string with_end(const std::string& name, std::string_view from, std::string_view to) {
  return name.substr(0, name.size() - from.size()) + std::string(to);
}

/// Takes experts that are one tensor apart.
void split_experts(Adapter& adapter, const std::string& source) {
  std::vector<std::string> names;
  for (const auto& tensor : adapter.tensors) names.push_back(tensor.name);
  const checkpoint::FusedExperts fused(names);
  std::vector<checkpoint::NamedTensor> tensors;
  for (const auto& [name, value] : adapter.tensors)
    for (const auto& [info, stored, first_row] : fused.places({name, DType::kF32, value.sizes().vec()}, source))
      tensors.push_back({info.name, first_row ? value.flatten(0, 1).narrow(0, *first_row, info.shape[0]).clone() : at::Tensor(value)});
  adapter.tensors = std::move(tensors);
}

/// Whether an entry of modules_to_save matches a module that the parameter lies in.
bool is_saved(const checkpoint::AdapterConfig& config, const std::string& parameter) {
  const auto modules = modules_around(parameter);
  return std::any_of(config.modules_to_save.begin(), config.modules_to_save.end(), [&](const std::string& saved) {
    return std::any_of(modules.begin(), modules.end(), [&](const std::string& module) { return module.ends_with(saved); });
  });
}

/// The matrix of every expert of a layer, [experts, rows, columns].
at::Tensor stacked(const std::map<std::string, at::Tensor>& tensors, const std::string& experts, const char* matrix) {
  std::vector<at::Tensor> values;
  for (size_t expert = 0;; ++expert) {
    const auto found = tensors.find(fmt::format("{}.{}.{}.weight", experts, expert, matrix));
    if (found == tensors.end()) return at::stack(values);
    values.push_back(found->second);
  }
}

/// Makes the experts of each layer that transformers 5 saves as a whole one tensor.
void fuse_experts(Adapter& adapter) {
  std::map<std::string, at::Tensor> tensors;
  std::set<std::string> layers;  // "L.block_sparse_moe.experts"
  for (const auto& [name, value] : adapter.tensors) {
    tensors.emplace(name, value);
    if (!name.ends_with(kFirstExpert)) continue;
    const std::string experts = name.substr(0, name.size() - kFirstExpert.size());
    if (is_saved(adapter.config, newer_name(experts) + kFusedDown)) layers.insert(experts);
  }
  for (const auto& experts : layers) {
    const auto gate = stacked(tensors, experts, "w1"), up = stacked(tensors, experts, "w3"), down = stacked(tensors, experts, "w2");
    std::erase_if(adapter.tensors, [&](const auto& tensor) { return tensor.name.starts_with(experts + "."); });
    adapter.tensors.push_back({newer_name(experts) + ".gate_up_proj", at::cat({gate, up}, 1)});
    adapter.tensors.push_back({newer_name(experts) + kFusedDown, at::Tensor(down)});
  }
}

}  // namespace

std::vector<std::string> modules_around(const std::string& parameter) {
  std::vector<std::string> paths;
  for (size_t dot = parameter.find('.'); dot != std::string::npos; dot = parameter.find('.', dot + 1))
    paths.push_back(parameter.substr(0, dot));
  return paths;
}

std::string newer_name(const std::string& name) {
  const size_t place = name.find(kMixture);
  const size_t end = place + kMixture.size();
  if (place == name.npos || (end < name.size() && name[end] != '.')) return name;
  return name.substr(0, place) + std::string(kNewMixture) + name.substr(end);
}

void use_models_names(Adapter& adapter, const model::CausalLm& model, const std::string& source) {
  split_experts(adapter, source);
  std::set<std::string> names;
  for (auto& tensor : adapter.tensors) {
    if (tensor.name.ends_with(kNewRouter) && model.parameters.find(with_end(tensor.name, kNewRouter, kRouter)))
      tensor.name = with_end(tensor.name, kNewRouter, kRouter);
  }
  std::erase_if(adapter.tensors, [&](const auto& tensor) { return !names.insert(tensor.name).second; });
}

Adapter with_newer_names(Adapter adapter) {
  for (size_t i = 0, count = adapter.tensors.size(); i < count; ++i)
    if (const auto& name = adapter.tensors[i].name; name.ends_with(kRouter))
      adapter.tensors.push_back({newer_name(name), at::Tensor(adapter.tensors[i].value)});
  fuse_experts(adapter);
  return adapter;
}

}  // namespace ingot::hub
