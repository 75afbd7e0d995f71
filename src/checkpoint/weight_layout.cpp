#include "checkpoint/weight_layout.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "checkpoint/hf_index.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_plan.h"
#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/progress.h"
#include "core/stop.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

WeightLayout::File file_from_json(const std::string& name, const Json& json, const std::string& source) {
  const auto refuse = [&](const std::string& what) {
    throw DataError(fmt::format("{}: {}: {}", source, in_quotes(name), what));
  };
  if (name.empty() || fs::path(name).filename() != name) refuse("found a path, wanted a file name");
  if (!json.is_object() || !json.contains("metadata") || !json.contains("tensors")) refuse("wanted metadata and tensors");
  WeightLayout::File file{name, {}, {}};
  for (const auto& [key, value] : json["metadata"].items())
    value.is_string() ? void(file.metadata[key] = value.get<std::string>()) : refuse("metadata is no text");
  for (const auto& [tensor, value] : json["tensors"].items()) {
    const auto dtype = value.is_string() ? dtype_from_safetensors(value.get<std::string>()) : std::nullopt;
    if (!dtype) refuse(fmt::format("{} has no dtype", in_quotes(tensor)));
    file.tensors.emplace(tensor, *dtype);
  }
  return file;
}

TensorSource source_of(const TensorMaker& tensor, DType dtype, Progress& progress) {
  const auto produce = [&tensor, dtype, &progress](const ByteSink& sink) {
    end_if_stopped(kWriting);
    const auto plain = converted(tensor.make(), dtype, tensor.name);
    sink({static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
    progress.add(plain.nbytes());
  };
  return {tensor.name, dtype, tensor.shape, produce};
}

using MakersByName = std::map<std::string, const TensorMaker*>;

WeightTotals totals_of(const WeightLayout& layout, const MakersByName& makers, std::optional<DType> dtype) {
  WeightTotals totals;
  for (const auto& file : layout.files)
    for (const auto& [name, stated] : file.tensors) {
      const auto found = makers.find(name);
      if (found == makers.end()) throw std::logic_error("no value for tensor " + name + " of the layout");
      const auto elements = static_cast<uint64_t>(num_elements(found->second->shape).value());
      totals.parameters += elements;
      totals.bytes += elements * static_cast<uint64_t>(size_of(written_dtype(stated, dtype)));
    }
  return totals;
}

}  // namespace

std::optional<WeightLayout> WeightLayout::of(const HfWeights& weights) {
  WeightLayout layout;
  for (const auto& file : weights.files()) {
    const auto metadata = file->metadata();
    if (!metadata) return {};
    layout.files.push_back({file->path().filename().string(), *metadata, {}});
    for (const auto& tensor : weights.tensors_of(*file)) layout.files.back().tensors.emplace(tensor.name, tensor.dtype);
  }
  std::sort(layout.files.begin(), layout.files.end(), [](const File& a, const File& b) { return a.name < b.name; });
  return layout;
}

WeightLayout WeightLayout::planned(const std::vector<TensorInfo>& tensors, uint64_t max_shard_bytes) {
  std::vector<uint64_t> sizes;
  for (const auto& tensor : tensors) sizes.push_back(num_bytes(tensor));
  WeightLayout layout;
  const auto shards = plan_shards(sizes, max_shard_bytes);
  for (size_t i = 0; i < shards.size(); ++i) {
    layout.files.push_back({shards.size() == 1 ? kHfWeightsFile : shard_name("model", i, shards.size()), {{"format", "pt"}}, {}});
    for (const size_t number : shards[i]) layout.files.back().tensors.emplace(tensors[number].name, tensors[number].dtype);
  }
  return layout;
}

WeightLayout WeightLayout::from_json(const Json& json, const std::string& source) {
  if (!json.is_object()) throw DataError(source + ": found no object of files");
  WeightLayout layout;
  for (const auto& [name, file] : json.items()) layout.files.push_back(file_from_json(name, file, source));
  return layout;
}

Json WeightLayout::to_json() const {
  Json json = Json::object();
  for (const auto& file : files) {
    Json tensors = Json::object();
    for (const auto& [name, dtype] : file.tensors) tensors[name] = safetensors_name(dtype);
    json[file.name] = {{"metadata", file.metadata}, {"tensors", std::move(tensors)}};
  }
  return json;
}

std::vector<std::string> WeightLayout::tensor_names() const {
  std::vector<std::string> names;
  for (const auto& file : files)
    for (const auto& [name, dtype] : file.tensors) names.push_back(name);
  return names;
}

void copy_tensors(const HfWeights& weights, const std::vector<std::string>& names, const fs::path& file) {
  std::vector<TensorSource> sources;
  for (const auto& name : names) {
    const at::Tensor value = weights.load(name);
    const auto produce = [value](const ByteSink& sink) {
      sink({static_cast<const char*>(value.const_data_ptr()), value.nbytes()});
    };
    sources.push_back({name, to_dtype(value.scalar_type()), value.sizes().vec(), produce});
  }
  write_safetensors(file, std::move(sources), {});
}

void write_hf_weights(const fs::path& folder, const std::vector<TensorMaker>& tensors, const WeightLayout& layout,
                      std::optional<DType> dtype) {
  make_folder(folder);
  MakersByName by_name;
  for (const auto& tensor : tensors) by_name.emplace(tensor.name, &tensor);
  WeightMap weight_map;
  const WeightTotals totals = totals_of(layout, by_name, dtype);
  Progress progress("writing weights", totals.bytes, "B");
  for (const auto& file : layout.files) {
    std::vector<TensorSource> sources;
    for (const auto& [name, stated] : file.tensors) {
      sources.push_back(source_of(*by_name.at(name), written_dtype(stated, dtype), progress));
      weight_map.emplace(name, file.name);
    }
    write_safetensors(folder / file.name, std::move(sources), file.metadata);
  }
  const bool whole = layout.files.size() == 1 && layout.files[0].name == kHfWeightsFile;
  if (!whole) write_file(folder / kHfIndexFile, format_index(weight_map, totals));
}

DType written_dtype(DType stated, std::optional<DType> wanted) {
  return wanted && at::isFloatingType(to_scalar_type(stated)) ? *wanted : stated;
}

}  // namespace ingot::checkpoint
