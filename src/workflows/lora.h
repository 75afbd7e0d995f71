#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "checkpoint/adapter_folder.h"
#include "core/json.h"
#include "model/causal_lm.h"
#include "train/optimizer.h"
#include "workflows/train_config.h"

namespace ingot::workflows {

/// A run's adapter: what it is, and the float32 values that the trainable parameters start from.
struct LoraStart {
  checkpoint::AdapterConfig config;
  train::ExactWeights exact_weights;
};

/// Freezes a filled model and adds the adapter that the configuration asks for: a new one by lora_rank, lora_target ...,
/// or the one in adapter_name_or_path. `base` gives the model's own values before they were rounded.
LoraStart start_lora(const TrainConfig& config, model::CausalLm& model, const train::ExactWeights& base);

/// Adds a trained adapter to a filled model. Throws DataError naming `source` and the tensor for one that does not fit.
void attach_adapter(model::CausalLm& model, const checkpoint::Adapter& adapter, const std::string& source);

/// Throws what attach_adapter would; the model may be on meta.
void check_adapter(const model::CausalLm& model, const checkpoint::Adapter& adapter, const std::string& source);

/// load_model, with the adapter in `adapter` added when that is not empty.
std::unique_ptr<model::CausalLm> load_adapted_model(const std::filesystem::path& folder, const std::filesystem::path& adapter,
                                                    at::ScalarType type);

/// Names an embedding that the adapter holds a second time as the head, when the two are tied.
void add_tied_head(checkpoint::Adapter& adapter, const model::DecoderConfig& config);

/// The fields by which a run knows its adapter again, as its configuration names them, and the way back.
Json adapter_identity(const checkpoint::AdapterConfig& config);
checkpoint::AdapterConfig adapter_of_identity(const Json& fixed, const std::string& source);

/// The field of a run's identity that holds the weights_identity of the model it started from.
inline constexpr const char* kBaseIdentity = "sha256 of the base weights";

/// sha256 over the names, types, shapes and values of all weights in a model folder, however they are split into files.
std::string weights_identity(const std::filesystem::path& folder);

}  // namespace ingot::workflows
