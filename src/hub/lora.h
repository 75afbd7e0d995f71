#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/adapter_folder.h"
#include "core/json.h"
#include "hub/compute.h"
#include "hub/model_folder.h"
#include "model/causal_lm.h"

namespace ingot::hub {

/// The adapter that a run asks for.
struct LoraRequest {
  std::filesystem::path go_on_from;  // a trained adapter; empty: a new one, of what follows
  int64_t rank = 8;
  double alpha = 0, dropout = 0;     // alpha 0: twice the rank
  bool rslora = false;
  std::vector<std::string> target{"all"}, whole;  // see config::TrainConfig: lora_target, additional_target
  bool target_is_expression = false;
  uint64_t seed = 0;
};

/// A run's adapter: what it is, and the float32 values that the trainable parameters start from.
struct LoraStart {
  checkpoint::AdapterConfig config;
  model::ExactWeights exact_weights;
};

/// The number of parameters that such a run trains. Throws ConfigError for names that `request` asks for and the model does not have,
/// from the headers of its files alone; DataError for an adapter to go on from that does not fit.
int64_t check_lora(const ModelFolder& base, const LoraRequest& request);

/// Freezes a model filled from `base` and adds the adapter that `request` asks for. `exact` gives the model's own values before
/// they were rounded.
LoraStart start_lora(const ModelFolder& base, const LoraRequest& request, model::CausalLm& model, const model::ExactWeights& exact);

/// Adds a trained adapter to a filled model. Throws DataError naming `source` and the tensor for one that does not fit.
void attach_adapter(model::CausalLm& model, const checkpoint::Adapter& adapter, const std::string& source);

/// An adapter without the tensors that its config does not target: PEFT leaves them out as well. They get a warning, and so
/// does a layer or a whole module that the config targets and the file lacks, which stays as it is. The copies of base
/// weights that PEFT adds are left out too; one that differs from the base is refused. Throws what attach_adapter would;
/// the model may be on meta.
checkpoint::Adapter fitted_adapter(const ModelFolder& base, const model::CausalLm& model, checkpoint::Adapter adapter,
                                   const std::string& source);

/// load_model, with the adapter in `adapter` added when that is not empty.
std::unique_ptr<model::CausalLm> load_adapted_model(const ModelFolder& folder, const std::filesystem::path& adapter,
                                                    const Compute& compute);

/// Names an embedding that the adapter holds a second time as the head, which it is in a tied model.
void add_tied_head(checkpoint::Adapter& adapter, const model::DecoderConfig& config);

/// The fields by which a run knows its adapter again, as its configuration names them, and the way back.
Json adapter_identity(const checkpoint::AdapterConfig& config);
checkpoint::AdapterConfig adapter_of_identity(const Json& fixed, const std::string& source);

/// The field of a run's identity that holds the digest of the weights that it started from: model_folder.h.
inline constexpr const char* kBaseIdentity = "digest of the base weights";

}  // namespace ingot::hub
