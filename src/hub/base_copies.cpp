#include "hub/base_copies.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "hub/lora_target.h"
#include "model/family.h"

namespace ingot::hub {
namespace {

using checkpoint::Adapter;
using checkpoint::NamedTensor;

constexpr std::string_view kUnderAddition = ".base_layer.weight";
constexpr std::string_view kUnread[] = {".original_module.weight", ".modules_to_save.weight"};  // PEFT reads neither

bool is_unread(const std::string& name) {
  return std::any_of(std::begin(kUnread), std::end(kUnread), [&](std::string_view end) { return name.ends_with(end); });
}

/// Tells which tensors of an adapter stand for a parameter of the base.
class Copies {
 public:
  Copies(const checkpoint::AdapterConfig& config, const model::CausalLm& model) : model_(model) {
    const auto whole = whole_parameters(config, model);
    trained_ = {whole.begin(), whole.end()};
  }

  /// The parameter that a tensor repeats; nothing for the adapter's own, and for one that the model does not have.
  std::shared_ptr<const model::Parameter> of(const std::string& tensor) const {
    if (checkpoint::is_factor(tensor)) return nullptr;
    const bool under = tensor.ends_with(kUnderAddition);
    std::string name = under ? tensor.substr(0, tensor.size() - kUnderAddition.size()) + ".weight" : tensor;
    const auto& names = model::find_family(model_.config.model_type)->names;
    if (model_.config.tie_word_embeddings && name == names.head + ".weight") name = names.embedding + ".weight";
    return !under && trained_.contains(name) ? nullptr : model_.parameters.find(name);
  }

 private:
  const model::CausalLm& model_;
  std::set<std::string> trained_;
};

/// Rounds values as a file of this type would.
at::Tensor rounded(const at::Tensor& values, at::ScalarType type) { return values.to(type).to(at::kFloat); }

void check_shape(const NamedTensor& tensor, const model::Parameter& own, const std::string& source) {
  if (tensor.value.sizes() == at::IntArrayRef(own.shape)) return;
  throw DataError(fmt::format("{}: tensor {}: found shape {}, and {} of the base model has {}; wanted the base model that the adapter "
                              "was trained on, resized as it was then",
                              source, tensor.name, to_string(tensor.value.sizes().vec()), own.name, to_string(own.shape)));
}

}  // namespace

void drop_base_copies(Adapter& adapter, const model::CausalLm& model, const std::string& source) {
  const Copies copies(adapter.config, model);
  std::erase_if(adapter.tensors, [&](const NamedTensor& tensor) {
    const auto own = copies.of(tensor.name);
    if (own) check_shape(tensor, *own, source);
    return own || is_unread(tensor.name);
  });
}

void check_base_copies(const Adapter& adapter, const ModelFolder& base, const model::CausalLm& model, const std::string& source) {
  const Copies copies(adapter.config, model);
  size_t count = 0;
  for (const auto& tensor : adapter.tensors) {
    const auto own = copies.of(tensor.name);
    if (!own) continue;
    check_shape(tensor, *own, source);
    const auto value = base.parameter(own->name).to(at::kFloat);
    const auto is_own = [&](at::ScalarType type) { return rounded(value, type).equal(tensor.value); };
    if (!is_own(at::kFloat) && !is_own(at::kBFloat16) && !is_own(at::kHalf))
      throw DataError(fmt::format("{}: tensor {}: found other values than {} of {}; wanted the base model that the adapter was trained on, "
                                  "or modules_to_save of adapter_config.json to name it where it was trained",
                                  source, tensor.name, own->name, base.path().string()));
    ++count;
  }
  if (count > 0) log_info(fmt::format("{}: copies of the base model's own weights are left out: {}", source, count));
}

}  // namespace ingot::hub
