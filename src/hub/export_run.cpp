#include "hub/export_run.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>

#include "checkpoint/hf_folder.h"
#include "checkpoint/run_checkpoint.h"
#include "core/error.h"
#include "core/log.h"
#include "core/output_folder.h"
#include "model/causal_lm.h"
#include "model/family.h"
#include "hub/export_lora.h"
#include "hub/model_folder.h"
#include "hub/model_files.h"
#include "hub/run_folder.h"
#include "hub/source_digests.h"
#include "hub/source_weights.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

using checkpoint::TensorMaker;

/// The checkpoint's parameters under their Hugging Face names; fp32 masters where there are some. They are read when they are made: `loaded` must
/// outlive them.
std::vector<TensorMaker> exported_parameters(const checkpoint::LoadedCheckpoint& loaded, model::DecoderConfig config) {
  const auto& store = loaded.store;
  // A head that was trained is one of its own: model_folder.h
  if (store.contains("model." + model::find_family(config.model_type)->names.head + ".weight")) config.tie_word_embeddings = false;
  std::vector<TensorMaker> exported;
  std::map<std::string, DType> types;
  for (const auto& tensor : store.tensors()) types.emplace(tensor.name, tensor.dtype);
  const auto model = model::build_model(config, at::kFloat, "meta");
  for (const auto& parameter : model->parameters.parameters) {
    const std::string master = "optimizer.master." + parameter->name, value = "model." + parameter->name;
    if (!store.contains(master) && !store.contains(value))
      throw DataError(fmt::format("{}: parameter {} is not in the checkpoint", loaded.info.folder.string(), parameter->name));
    const auto& name = store.contains(master) ? master : value;
    exported.push_back({parameter->name, types.at(name), parameter->shape, [&store, name] { return store.read(name); }});
  }
  return exported;
}

void export_parameters(const RunFolder& run, const checkpoint::LoadedCheckpoint& loaded, const ExportRequest& request) {
  const auto dtype = dtype_named(request.dtype);
  OutputFolder output(request.to.empty() ? run.model() : request.to, "model");
  copy_companion_files(run.source(), output.path());
  write_as_they_came(output.path(), run.layout(),
                     exported_parameters(loaded, source_config(run.source())), dtype);
  if (dtype) write_dtype(output.path(), *dtype);
  check_companion_files(run.source(), output.path());
  output.publish();
  log_info(fmt::format("exported step {} to {}{}, reopened and compared", loaded.info.step, output.target().string(),
                       dtype ? fmt::format(" in {}", config_name(*dtype)) : ""));
}

/// Before a checkpoint is read.
void check_target(const RunFolder& run, const ExportRequest& request) {
  const fs::path inside = request.adapter ? run.adapter() : run.model();
  OutputFolder::check(request.to.empty() ? inside : request.to, request.adapter ? "adapter" : "model");
  if (!request.to.empty()) check_outside_runs(request.to);
}

void export_newest(const ExportRequest& request, const ModelFolder* base) {
  const RunFolder run(request.run);
  check_target(run, request);
  const auto loaded = checkpoint::load_newest_checkpoint(run.checkpoints());
  if (!loaded) throw ConfigError(fmt::format("{}: no checkpoint to export", run.checkpoints().string()));
  check_source_digests(run);
  if (is_lora_run(*loaded)) export_lora(run, *loaded, request, base);
  else if (request.adapter) throw ConfigError(fmt::format("--adapter: {} has no adapter: it trained the whole model", request.run.string()));
  else export_parameters(run, *loaded, request);
}

}  // namespace

void export_run(const ExportRequest& request) { export_newest(request, nullptr); }
void export_run(const ExportRequest& request, const ModelFolder& base) { export_newest(request, &base); }

}  // namespace ingot::hub
