#pragma once

#include <string>
#include <vector>

#include "checkpoint/adapter_folder.h"
#include "model/causal_lm.h"

namespace ingot::hub {

/// Paths of the modules that a parameter lies in, outermost first: "model", "model.norm".
std::vector<std::string> modules_around(const std::string& parameter);

/// The name that transformers 5 gives to a module or parameter of Mixtral's mixture, which it calls mlp; others stay.
std::string newer_name(const std::string& name);

/// Gives routers and experts that are saved whole the model's names and parts, once where the adapter has a router under both
/// names of it. Throws DataError naming `source` for experts of a shape that is none.
void use_models_names(checkpoint::Adapter& adapter, const model::CausalLm& model, const std::string& source);

/// The adapter of a Mixtral as PEFT looks for it beside transformers 5: experts that are saved whole are one tensor of a layer,
/// and a router that is saved whole has that name too, beside the older one; see checkpoint/fused_experts.h.
checkpoint::Adapter with_newer_names(checkpoint::Adapter adapter);

}  // namespace ingot::hub
