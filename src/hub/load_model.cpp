#include "hub/load_model.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/stop.h"
#include "model/family.h"

namespace ingot::hub {
namespace {

std::string file_of(const checkpoint::HfWeights& weights, const std::string& tensor) {
  for (const auto& file : weights.files())
    for (const auto& held : weights.tensors_of(*file))
      if (held.name == tensor) return file->path().string();
  return "";
}

bool is_float(DType dtype) { return at::isFloatingType(checkpoint::to_scalar_type(dtype)); }

/// What is no number makes everything that it touches none; infinities are what they are.
void check_numbers(const at::Tensor& value, const std::string& stored, const checkpoint::HfWeights& weights) {
  if (!value.is_floating_point() || value.numel() == 0) return;
  const auto [low, high] = at::aminmax(value);
  if (low.isnan().item<bool>())
    throw DataError(fmt::format("{}: {}: holds NaN, wanted numbers", file_of(weights, stored), stored));
  if (low.isinf().item<bool>() || high.isinf().item<bool>())
    log_warning(fmt::format("{}: {} holds infinite values", file_of(weights, stored), stored));
}

/// Returns the bytes read.
uint64_t fill(model::Parameter& parameter, const ModelFolder& folder) {
  if (!parameter.part.is_here) return 0;
  const at::Tensor loaded = folder.parameter(parameter.name);
  check_numbers(loaded, folder.stored_name(parameter.name), folder.weights());
  parameter.fill(loaded);
  return loaded.nbytes();
}

void check_names(const model::CausalLm& model, const ModelFolder& folder) {
  std::string missing;
  for (const auto& parameter : model.parameters.parameters)
    if (!folder.weights().contains(folder.stored_name(parameter->name))) missing += (missing.empty() ? "" : ", ") + parameter->name;
  if (!missing.empty()) throw DataError(fmt::format("{}: parameters are missing: {}", folder.path().string(), missing));
}

void check_shapes(const model::CausalLm& model, const ModelFolder& folder) {
  std::string others;
  for (const auto& parameter : model.parameters.parameters)
    if (const auto found = folder.parameter_shape(parameter->name); found != parameter->shape)
      others += fmt::format("{}{} has shape {}, wanted {}", others.empty() ? "" : "; ", parameter->name, to_string(found), to_string(parameter->shape));
  if (!others.empty()) throw DataError(fmt::format("{}: {}", folder.path().string(), others));
}

void warn_of_surplus(const model::CausalLm& model, const ModelFolder& folder) {
  std::set<std::string> wanted;
  for (const auto& parameter : model.parameters.parameters) wanted.insert(folder.stored_name(parameter->name));
  for (const auto& tensor : folder.weights().tensors())
    if (!wanted.contains(tensor.name) && !is_derived(tensor.name, model.config))
      log_warning(fmt::format("{}: {} has no place in this model and is left out", folder.path().string(), tensor.name));
}

}  // namespace

void check_types(const model::CausalLm& model, const ModelFolder& folder) {
  std::set<std::string> wanted;
  for (const auto& parameter : model.parameters.parameters) wanted.insert(folder.stored_name(parameter->name));
  for (const auto& tensor : folder.weights().tensors())
    if (wanted.contains(tensor.name) && !is_float(tensor.dtype))
      throw DataError(fmt::format("{}: {}: found {}, as quantized weights have, wanted F32, BF16 or F16",
                                  file_of(folder.weights(), tensor.name), tensor.name, safetensors_name(tensor.dtype)));
}

void check_weights(const model::CausalLm& model, const ModelFolder& folder) {
  check_names(model, folder);
  check_shapes(model, folder);
  check_types(model, folder);
}

bool is_derived(const std::string& name, const model::DecoderConfig& config) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".rotary_pos_emb.inv_freq") ||
         (config.tie_word_embeddings && name == model::find_family(config.model_type)->names.head + ".weight");
}

std::unique_ptr<model::CausalLm> load_model(const ModelFolder& folder, const Compute& compute, const parallel::Mesh& mesh) {
  const auto& weights = folder.weights();
  auto model = model::build_model(folder.config(), compute.type, compute.device, mesh);
  check_weights(*model, folder);
  warn_of_surplus(*model, folder);
  Progress progress("loading weights", weights.total_bytes(), "B");
  uint64_t read = 0;
  for (const auto& parameter : model->parameters.parameters) {
    end_if_stopped("loading weights, nothing is lost");
    const uint64_t bytes = fill(*parameter, folder);
    read += bytes;
    progress.add(bytes);
  }
  progress.add(weights.total_bytes() - read);  // of tensors that are computed or have no place
  return model;
}

void warn_beyond_plain_length(const model::DecoderConfig& config, int64_t length) {
  if (config.plain_length > 0 && length > config.plain_length)
    log_warning(fmt::format("{} tokens are longer than seq_length = {}: the model's own code evaluates them with dynamic NTK "
                            "rope and logn attention, here they are evaluated as in training", length, config.plain_length));
}

}  // namespace ingot::hub
