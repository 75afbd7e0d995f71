#include "hub/export_lora.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"
#include "core/expect_folder.h"
#include "core/log.h"
#include "model/causal_lm.h"
#include "hub/lora.h"
#include "hub/model_folder.h"
#include "hub/merge.h"
#include "hub/peft_names.h"
#include "hub/run_record.h"
#include "hub/source_weights.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

const Json& object_of(const checkpoint::LoadedCheckpoint& loaded, const char* name) {
  static const Json nothing = Json::object();
  const auto& state = loaded.store.state();
  return state.is_object() && state.contains(name) && state[name].is_object() ? state[name] : nothing;
}

fs::path base_of(const checkpoint::LoadedCheckpoint& loaded, const ExportRequest& request) {
  if (!request.base.empty()) {
    expect_folder(request.base, "--base", kModelFolder);
    return request.base;
  }
  const auto& settings = object_of(loaded, "settings");
  const auto found = settings.find("model_name_or_path");
  const fs::path base = found != settings.end() && found->is_string() ? found->get<std::string>() : "";
  if (!fs::exists(base / "config.json"))
    throw ConfigError(fmt::format("{}: the model that this run started from is not there; name it by --base", base.string()));
  return base;
}

/// The checkpoint's trainable parameters, float32; those of a tied embedding also under the head's name.
checkpoint::Adapter adapter_of(const RunFolder& run, const checkpoint::LoadedCheckpoint& loaded) {
  checkpoint::Adapter adapter{adapter_of_identity(object_of(loaded, "fixed"), loaded.info.folder.string()), {}};
  const auto& store = loaded.store;
  for (const auto& [name, dtype, shape] : store.tensors()) {
    if (!name.starts_with("model.")) continue;
    const std::string parameter = name.substr(std::string_view("model.").size()), master = "optimizer.master." + parameter;
    adapter.tensors.push_back({parameter, store.read(store.contains(master) ? master : name).to(at::kFloat)});
  }
  if (has_tied_head(run)) add_tied_head(adapter, source_config(run.source()));
  return adapter;
}

void check_base(const ModelFolder& base, const checkpoint::LoadedCheckpoint& loaded) {
  const auto& fixed = object_of(loaded, "fixed");
  const std::string wanted = fixed.value(kBaseIdentity, ""), found = base.weights_digest();
  if (found != wanted)
    throw ConfigError(fmt::format("{}: its weights have the digest {}, wanted {} of the model that the run started from",
                                  base.path().string(), found, wanted));
}

}  // namespace

bool is_lora_run(const checkpoint::LoadedCheckpoint& loaded) {
  return object_of(loaded, "fixed").value("finetuning_type", Json()) == "lora";
}

void export_lora(const RunFolder& run, const checkpoint::LoadedCheckpoint& loaded, const ExportRequest& request,
                 const ModelFolder* open_base) {
  auto adapter = adapter_of(run, loaded);
  const bool both = !request.adapter && !request.merge && request.to.empty();
  const bool merge = request.merge || both || !request.adapter;
  const auto& settings = object_of(loaded, "settings");
  adapter.config.base_model_name_or_path = request.base.empty() ? settings.value("model_name_or_path", "") : request.base.string();
  std::optional<ModelFolder> opened;
  if (!open_base && (merge || !request.base.empty())) opened.emplace(base_of(loaded, request));
  const ModelFolder* base = open_base ? open_base : opened ? &*opened : nullptr;
  if (base) check_base(*base, loaded);
  if (request.adapter || both) {
    const fs::path folder = request.to.empty() ? run.adapter() : request.to;
    checkpoint::write_adapter(folder, with_newer_names(adapter));
    log_info(fmt::format("the adapter of step {} is in {}", loaded.info.step, folder.string()));
  }
  if (!merge) return;
  merge_adapter(*base, {run.source(), request.to.empty() ? run.model() : request.to, request.dtype, loaded.info.folder.string(), request.check_tokens}, adapter);
}

}  // namespace ingot::hub
