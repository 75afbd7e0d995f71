#include "hub/peft_names.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>
#include <string_view>

#include "core/error.h"

namespace ingot::hub {

using checkpoint::Adapter;

namespace {

/// Ends of the name of Mixtral's router: its makers' and the model's here, and transformers 5's; see fused_experts.h.
constexpr std::string_view kRouter = ".block_sparse_moe.gate.weight", kNewRouter = ".mlp.gate.weight";

std::string with_end(const std::string& name, std::string_view from, std::string_view to) {
  return name.substr(0, name.size() - from.size()) + std::string(to);
}

/// Rounds values as a file of this type would.
at::Tensor rounded(const at::Tensor& values, at::ScalarType type) { return values.to(type).to(at::kFloat); }

}  // namespace

void use_models_names(Adapter& adapter, const model::CausalLm& model) {
  std::set<std::string> names;
  for (auto& tensor : adapter.tensors) {
    if (tensor.name.ends_with(kNewRouter) && model.parameters.find(with_end(tensor.name, kNewRouter, kRouter)))
      tensor.name = with_end(tensor.name, kNewRouter, kRouter);
  }
  std::erase_if(adapter.tensors, [&](const auto& tensor) { return !names.insert(tensor.name).second; });
}

void drop_base_copies(Adapter& adapter, const ModelFolder& base, const std::string& source) {
  std::erase_if(adapter.tensors, [&](const checkpoint::NamedTensor& tensor) {
    const auto name = checkpoint::base_of_copy(tensor.name);
    if (!name) return false;
    const auto own = base.weights().contains(*name) ? base.weights().load(*name).to(at::kFloat) : at::Tensor();
    const auto is_own = [&](at::ScalarType type) { return own.defined() && rounded(own, type).equal(tensor.value); };
    if (is_own(at::kFloat) || is_own(at::kBFloat16) || is_own(at::kHalf)) return true;
    throw DataError(fmt::format("{}: tensor {}: found other values than {} of {}; wanted the base model that the adapter was trained on",
                                source, tensor.name, *name, base.path().string()));
  });
}

void add_new_names(Adapter& adapter) {
  for (size_t i = 0, count = adapter.tensors.size(); i < count; ++i)
    if (const auto& name = adapter.tensors[i].name; name.ends_with(kRouter))
      adapter.tensors.push_back({with_end(name, kRouter, kNewRouter), at::Tensor(adapter.tensors[i].value)});
}

}  // namespace ingot::hub
