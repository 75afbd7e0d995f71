#include "hub/source_weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "checkpoint/hf_index.h"
#include "checkpoint/weight_layout.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/stop.h"
#include "core/words.h"
#include "model/causal_lm.h"
#include "model/family.h"
#include "hub/load_model.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

using checkpoint::TensorMaker;
using checkpoint::WeightLayout;

constexpr const char* kLayoutFile = "weight_layout.json";
constexpr const char* kBuffersFile = "buffers.safetensors";

const std::string& head_name(const model::DecoderConfig& config) { return model::find_family(config.model_type)->names.head; }

/// The head's weight where the file holds it though it is the embedding.
void add_tied_head(const model::DecoderConfig& config, std::vector<TensorMaker>& tensors) {
  const auto& names = model::find_family(config.model_type)->names;
  const auto embedding = std::find_if(tensors.begin(), tensors.end(),
                                      [&](const auto& tensor) { return tensor.name == names.embedding + ".weight"; });
  const bool has_head = std::any_of(tensors.begin(), tensors.end(), [&](const auto& tensor) { return tensor.name == names.head + ".weight"; });
  if (!config.tie_word_embeddings || has_head || embedding == tensors.end()) return;
  TensorMaker head = *embedding;
  head.name = names.head + ".weight";
  tensors.push_back(std::move(head));
}

void add_buffers(const fs::path& file, std::vector<TensorMaker>& tensors) {
  if (!fs::exists(file)) return;
  const checkpoint::SafetensorsFile buffers(file);
  for (const auto& buffer : buffers.tensors())
    tensors.push_back({buffer.name, buffer.dtype, buffer.shape, [value = checkpoint::load_tensor(buffers, buffer.name)] { return value; }});
}

/// Reopens what was written and compares it, element by element, with what was to be written.
void check_written(const fs::path& folder, const std::vector<std::string>& names, const std::vector<TensorMaker>& wanted) {
  const checkpoint::HfWeights written(folder);
  if (written.tensors().size() != names.size())
    throw DataError(fmt::format("{}: holds {} tensors, wanted {}", folder.string(), written.tensors().size(), names.size()));
  for (const auto& tensor : wanted) {
    if (!is_one_of(tensor.name, names)) continue;
    end_if_stopped(checkpoint::kWriting);
    const auto found = written.load(tensor.name), value = tensor.make();
    if (value.is_floating_point() && !found.is_floating_point())
      throw DataError(fmt::format("{}: {}: found {}, wanted a type of floating numbers", folder.string(), tensor.name,
                                  safetensors_name(checkpoint::to_dtype(found.scalar_type()))));
    if (found.equal(value.to(found.scalar_type()))) continue;
    const bool has_nan = value.isnan().any().item<bool>();
    throw DataError(fmt::format("{}: {}", tensor.name, has_nan ? "holds NaN in the newest checkpoint, wanted numbers"
                                                               : "differs from the checkpoint in " + folder.string()));
  }
}

void write_by_rule(const fs::path& folder, std::vector<TensorMaker> parameters, DType dtype) {
  std::vector<std::string> names;
  for (auto& parameter : parameters) {
    names.push_back(parameter.name);
    parameter.dtype = checkpoint::written_dtype(parameter.dtype, dtype);
  }
  checkpoint::write_hf_weights(folder, parameters);
  check_written(folder, names, parameters);
}

/// Parameters in the types in which they lie in files that are no safetensors.
WeightLayout layout_of_parameters(const model::CausalLm& model, const ModelFolder& folder) {
  std::map<std::string, DType> types;
  for (const auto& tensor : folder.weights().tensors()) types.emplace(tensor.name, tensor.dtype);
  std::vector<checkpoint::TensorInfo> tensors;
  for (const auto& parameter : model.parameters.parameters)
    tensors.push_back({parameter->name, types.at(folder.stored_name(parameter->name)), parameter->shape});
  return WeightLayout::planned(tensors);
}

}  // namespace

model::DecoderConfig source_config(const fs::path& folder) try {
  return model::DecoderConfig::from_folder(folder);
} catch (const ConfigError& error) {
  throw DataError(error.what());
}

void restore_index(const fs::path& from, const fs::path& folder) {
  const fs::path kept = from / checkpoint::kHfIndexFile, written = folder / checkpoint::kHfIndexFile;
  if (fs::exists(kept) && fs::exists(written) &&
      checkpoint::read_weight_map(kept) == checkpoint::read_weight_map(written))
    ingot::copy_file(kept, written);
}

void keep_weight_layout(const ModelFolder& model_folder, const fs::path& folder) {
  const auto& config = model_folder.config();
  const auto model = model::build_model(config, at::kFloat, "meta");
  auto layout = WeightLayout::of(model_folder.weights());
  if (!layout) {
    make_folder(folder);
    return write_file(folder / kLayoutFile, layout_of_parameters(*model, model_folder).to_json().dump(1) + "\n");
  }
  std::set<std::string> parameters;
  for (const auto& parameter : model->parameters.parameters) parameters.insert(parameter->name);
  std::vector<std::string> buffers;
  for (auto& file : layout->files)
    std::erase_if(file.tensors, [&](const auto& tensor) {
      if (parameters.contains(tensor.first) || tensor.first == head_name(config) + ".weight") return false;
      if (!is_derived(tensor.first, config)) return true;
      buffers.push_back(tensor.first);
      return false;
    });
  make_folder(folder);
  if (!buffers.empty()) checkpoint::copy_tensors(model_folder.weights(), buffers, folder / kBuffersFile);
  if (model_folder.files().has(checkpoint::kHfIndexFile) && !model_folder.grown_vocabulary())
    write_file(folder / checkpoint::kHfIndexFile, model_folder.files().text(checkpoint::kHfIndexFile).text);
  write_file(folder / kLayoutFile, layout->to_json().dump(1) + "\n");
}

void write_as_they_came(const fs::path& folder, const fs::path& kept, std::vector<TensorMaker> parameters,
                        std::optional<DType> dtype) {
  const auto config = source_config(folder);
  const fs::path file = kept / kLayoutFile;
  if (!fs::exists(file)) return write_by_rule(folder, parameters, dtype.value_or(config.dtype));
  const auto layout = WeightLayout::from_json(read_json(file), file.string());
  add_tied_head(config, parameters);
  add_buffers(kept / kBuffersFile, parameters);
  checkpoint::write_hf_weights(folder, parameters, layout, dtype);
  check_written(folder, layout.tensor_names(), parameters);
  if (!dtype) restore_index(kept, folder);
}

}  // namespace ingot::hub
