#include "hub/merge.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>

#include "checkpoint/hf_folder.h"
#include "checkpoint/weight_layout.h"
#include "core/error.h"
#include "core/log.h"
#include "core/output_folder.h"
#include "model/lora.h"
#include "hub/load_model.h"
#include "hub/lora.h"
#include "hub/lora_target.h"
#include "hub/merge_check.h"
#include "hub/model_files.h"
#include "hub/source_weights.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

using checkpoint::Adapter;

/// An adapter's tensors by name.
class Additions {
 public:
  explicit Additions(const Adapter& adapter) : config_(adapter.config) {
    for (const auto& [name, value] : adapter.tensors) tensors_.emplace(name, value);
  }

  /// The merged value of a base weight, float32; the weight itself where nothing is added.
  at::Tensor merged(const std::string& name, const at::Tensor& weight) const {
    if (const auto whole = tensors_.find(name); whole != tensors_.end()) return whole->second;
    if (!name.ends_with(".weight")) return weight;
    const std::string module = name.substr(0, name.rfind('.'));
    const auto added = addition(module, model::LayerKind::kLinear), embedded = addition(module, model::LayerKind::kEmbedding);
    if (added.defined()) return weight.to(at::kFloat).add(added);
    return embedded.defined() ? weight.to(at::kFloat).add(embedded.t()) : weight;
  }

 private:
  /// scale * B * A of a module, [out, in]; undefined when that is nothing.
  at::Tensor addition(const std::string& module, model::LayerKind kind) const {
    const auto names = model::factor_names(module, kind);
    const auto a = tensors_.find(names.a), b = tensors_.find(names.b);
    if (a == tensors_.end() || !a->second.any().item<bool>() || !b->second.any().item<bool>()) return {};
    return at::mm(b->second, a->second).mul_(planned_layer(config_, module).scale);
  }

  const checkpoint::AdapterConfig& config_;
  std::map<std::string, at::Tensor> tensors_;
};

void write_merged(const ModelFolder& base, const MergeRequest& request, const Adapter& adapter, const fs::path& folder) {
  const auto& weights = base.weights();
  const Additions additions(adapter);
  const auto dtype = dtype_named(request.dtype);
  std::vector<checkpoint::TensorMaker> makers;
  for (const auto& entry : weights.tensors())
    makers.push_back({entry.name, checkpoint::written_dtype(entry.dtype, dtype), entry.shape,
                      [&, name = entry.name] { return additions.merged(name, weights.load(name)); }});
  const FolderFiles companions(request.companions);
  copy_companion_files(request.companions.empty() ? base.files() : companions, folder);
  if (dtype) write_dtype(folder, *dtype);
  const at::NoGradGuard no_grad;
  const auto layout = checkpoint::WeightLayout::of(weights);
  if (!layout) return checkpoint::write_hf_weights(folder, makers);
  checkpoint::write_hf_weights(folder, makers, *layout, dtype);
  if (!dtype) restore_index(base.path(), folder);
}

}  // namespace

void merge_adapter(const ModelFolder& base, const MergeRequest& request, const Adapter& trained) {
  OutputFolder::check(request.to, "model");
  OutputFolder::check_apart(request.to, base.path(), "the base model");
  // Names, types and shapes are checked before anything is written; on meta a model takes no memory.
  const auto meta = model::build_model(base.config(), at::kFloat, "meta");
  check_types(*meta, base);
  const Adapter adapter = fitted_adapter(base, *meta, trained, request.adapter);
  OutputFolder output(request.to, "model");
  write_merged(base, request, adapter, output.path());
  check_companion_files(request.companions.empty() ? base.path() : request.companions, output.path());
  if (request.check_tokens > 0) check_merge(base, adapter, output.path(), request.check_tokens);
  output.publish();
  log_info(fmt::format("the merged model is in {}", output.target().string()));
}

}  // namespace ingot::hub
