#pragma once

#include <string>

#include "checkpoint/adapter_folder.h"
#include "model/causal_lm.h"

namespace ingot::hub {

/// Why PEFT cannot use an adapter of this configuration beside transformers 5, which has the experts of a layer in two tensors,
/// w1 and w3 in one of them; empty where it can.
std::string trouble_in_peft(const checkpoint::AdapterConfig& config, const model::CausalLm& model);

}  // namespace ingot::hub
