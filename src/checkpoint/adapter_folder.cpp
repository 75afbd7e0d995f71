#include "checkpoint/adapter_folder.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/output_folder.h"
#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char *kWeightsFile = "adapter_model.safetensors", *kTorchFile = "adapter_model.bin";
constexpr std::string_view kPrefix = "base_model.model.";  // PEFT's wrapper around the model

/// Ends of the names of an addition's factors, of a linear layer and of an embedding.
struct FactorEnds { std::string_view a, b; };
constexpr FactorEnds kFactorEnds[] = {{".lora_A.weight", ".lora_B.weight"}, {".lora_embedding_A", ".lora_embedding_B"}};

std::optional<std::string> before(const std::string& name, std::string_view end) {
  if (!name.ends_with(end)) return {};
  return name.substr(0, name.size() - end.size());
}

std::string twin_of(const std::string& name) {
  for (const auto& [a, b] : kFactorEnds) {
    if (const auto module = before(name, a)) return *module + std::string(b);
    if (const auto module = before(name, b)) return *module + std::string(a);
  }
  return {};
}

void check_entry(const TensorInfo& entry, const fs::path& file) {
  const auto refuse = [&](const std::string& reason) {
    throw DataError(fmt::format("{}: tensor {}: {}", file.string(), in_quotes(entry.name), reason));
  };
  if (!entry.name.starts_with(kPrefix)) refuse(fmt::format("wanted a name that begins with {}", kPrefix));
  const bool factor = is_factor(entry.name);
  if (!factor && entry.name.find(".lora_") != entry.name.npos) refuse("is of no linear layer's plain LoRA");
  if (factor && entry.shape.size() != 2) refuse(fmt::format("found shape {}, wanted two dims", to_string(entry.shape)));
  if (entry.dtype != DType::kF32 && entry.dtype != DType::kBF16 && entry.dtype != DType::kF16)
    refuse(fmt::format("found {}, wanted F32, BF16 or F16", safetensors_name(entry.dtype)));
}

std::vector<NamedTensor> read_tensors(const fs::path& path) {
  const auto file = open_weight_file(path);
  std::vector<NamedTensor> tensors;
  for (const auto& entry : file->tensors()) {
    check_entry(entry, path);
    const std::string twin = twin_of(entry.name);
    if (!twin.empty() && !file->contains(twin))
      throw DataError(fmt::format("{}: tensor {} is there without {}", path.string(), in_quotes(entry.name), in_quotes(twin)));
    const auto value = file->load(entry.name).to(at::kFloat);
    if (value.isnan().any().item<bool>()) throw DataError(fmt::format("{}: tensor {}: holds NaN, wanted numbers", path.string(), in_quotes(entry.name)));
    tensors.push_back({entry.name.substr(kPrefix.size()), value});
  }
  if (tensors.empty()) throw DataError(fmt::format("{}: holds no tensor", path.string()));
  return tensors;
}

}  // namespace

std::optional<std::string> module_of_first_factor(const std::string& name) {
  for (const auto& ends : kFactorEnds)
    if (const auto module = before(name, ends.a)) return module;
  return {};
}

bool is_factor(const std::string& name) { return !twin_of(name).empty(); }

fs::path adapter_weights(const fs::path& folder) {
  const char* name = fs::exists(folder / kWeightsFile) ? kWeightsFile : kTorchFile;
  if (!fs::exists(folder / name)) throw DataError(fmt::format("{}: neither {} nor {} is there", folder.string(), kWeightsFile, kTorchFile));
  return path_inside(folder, name, folder);
}

Adapter read_adapter(const fs::path& folder) {
  if (!fs::is_regular_file(folder / kConfigFile))
    throw ConfigError(fmt::format("adapter: found {}, wanted a folder with {}", folder.string(), kConfigFile));
  const auto config_file = path_inside(folder, kConfigFile, folder);
  Adapter adapter{AdapterConfig::from_json(read_json(config_file, size_t{16} << 20), config_file.string()), {}};
  adapter.tensors = read_tensors(adapter_weights(folder));
  return adapter;
}

void write_adapter(const fs::path& folder, const Adapter& adapter) {
  OutputFolder output(folder, "adapter");
  std::vector<TensorSource> sources;
  for (const auto& [name, value] : adapter.tensors)
    sources.push_back({std::string(kPrefix) + name, DType::kF32, value.sizes().vec(), [&value = value](const ByteSink& sink) {
                         const auto plain = value.detach().to(at::kCPU, at::kFloat).contiguous();
                         sink({static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
                       }});
  write_safetensors(output.path() / kWeightsFile, std::move(sources), {{"format", "pt"}});
  write_file(output.path() / kConfigFile, json_text(adapter.config.to_json(), 2) + "\n");
  output.publish();
}

}  // namespace ingot::checkpoint
