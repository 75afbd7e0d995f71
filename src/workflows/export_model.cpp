#include "workflows/export_model.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/hf_folder.h"
#include "checkpoint/run_checkpoint.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "model/causal_lm.h"
#include "workflows/model_files.h"
#include "workflows/run_folder.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

using checkpoint::NamedTensor;

/// The checkpoint's parameters under their Hugging Face names; fp32 masters where there are some.
std::vector<NamedTensor> exported_parameters(const checkpoint::LoadedCheckpoint& loaded, const model::DecoderConfig& config) {
  std::map<std::string, at::Tensor> by_name;
  for (const auto& tensor : loaded.state.tensors) by_name[tensor.name] = tensor.value;
  std::vector<NamedTensor> exported;
  const auto model = model::build_model(config, at::kFloat, "meta");
  for (const auto& parameter : model->parameters.parameters) {
    auto found = by_name.find("optimizer.master." + parameter->name);
    if (found == by_name.end()) found = by_name.find("model." + parameter->name);
    if (found == by_name.end())
      throw DataError(fmt::format("{}: parameter {} is not in the checkpoint", loaded.info.folder.string(), parameter->name));
    exported.push_back({parameter->name, found->second});
  }
  return exported;
}

/// config.json as it came in, with the dtype of the weights beside it.
void write_config(const fs::path& folder, DType dtype) {
  Json config = read_json(folder / "config.json");
  const char* key = config.contains("dtype") ? "dtype" : "torch_dtype";
  if (config.contains(key) && config[key] == config_name(dtype)) return;
  config[key] = config_name(dtype);
  write_file(folder / "config.json", config.dump(2) + "\n");
}

/// Reopens what was written and compares it, element by element, with what was to be written.
void check_export(const fs::path& folder, const std::vector<NamedTensor>& wanted, DType dtype) {
  const checkpoint::HfWeights written(folder);
  if (written.tensors().size() != wanted.size())
    throw DataError(fmt::format("{}: holds {} tensors, wanted {}", folder.string(), written.tensors().size(), wanted.size()));
  for (const auto& tensor : wanted)
    if (!written.load(tensor.name).equal(tensor.value.to(checkpoint::to_scalar_type(dtype))))
      throw DataError(fmt::format("{}: {} differs from the checkpoint", folder.string(), tensor.name));
}

DType export_dtype(const std::string& name, const model::DecoderConfig& config) {
  if (name == "auto") return config.dtype;
  if (const auto dtype = dtype_from_config(name)) return *dtype;
  throw ConfigError(fmt::format("dtype: found {}, wanted auto, bfloat16, float16 or float32", name));
}

/// Puts `staging` in the place of `folder`; the old folder goes only once the new one is complete.
void replace_folder(const fs::path& staging, const fs::path& folder) {
  const fs::path old = folder.parent_path() / fmt::format(".{}.old", folder.filename().string());
  fs::remove_all(old);
  if (fs::exists(folder)) fs::rename(folder, old);
  fs::rename(staging, folder);
  sync_folder(folder.parent_path());
  fs::remove_all(old);
}

void refuse_a_folder_of_others(const fs::path& folder) {
  if (fs::exists(folder) && !(fs::is_directory(folder) && (fs::is_empty(folder) || fs::exists(folder / "config.json"))))
    throw ConfigError(fmt::format("{}: is there and is no model folder; name another or remove it", folder.string()));
}

}  // namespace

int export_model(const ExportRequest& request) {
  const RunFolder run(request.run);
  const fs::path folder = fs::absolute(request.to.empty() ? run.model() : request.to).lexically_normal();
  refuse_a_folder_of_others(folder);
  const auto loaded = checkpoint::load_newest_checkpoint(run.checkpoints());
  if (!loaded) throw ConfigError(fmt::format("{}: no checkpoint to export", run.checkpoints().string()));
  const auto config = model::DecoderConfig::from_folder(run.source());
  const DType dtype = export_dtype(request.dtype, config);
  const auto parameters = exported_parameters(*loaded, config);
  const fs::path staging = folder.parent_path() / fmt::format(".{}.partial", folder.filename().string());
  fs::remove_all(staging);
  try {
    copy_companion_files(run.source(), staging);
    checkpoint::write_hf_weights(staging, parameters, dtype);
    write_config(staging, dtype);
    check_export(staging, parameters, dtype);
    replace_folder(staging, folder);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(staging, ignored);
    throw;
  }
  log_info(fmt::format("exported step {} to {} in {}, reopened and compared", loaded->info.step, folder.string(), config_name(dtype)));
  return kExitOk;
}

}  // namespace ingot::workflows
