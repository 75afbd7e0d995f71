#pragma once

#include <string>

#include "checkpoint/adapter_folder.h"
#include "hub/model_folder.h"
#include "model/causal_lm.h"

namespace ingot::hub {

/// Gives a router that is saved whole the model's name, once where the adapter has it under both names of it.
void use_models_names(checkpoint::Adapter& adapter, const model::CausalLm& model);

/// Adds a Mixtral's router that is saved whole under the name that transformers 5 gives it: PEFT looks for the names of the
/// transformers beside it.
void add_new_names(checkpoint::Adapter& adapter);

/// Leaves out what PEFT writes beside an addition to the embedding or the head: the base's own weight, in the type of the
/// model that it was trained with. Throws DataError naming `source` for one of other values.
void drop_base_copies(checkpoint::Adapter& adapter, const ModelFolder& base, const std::string& source);

}  // namespace ingot::hub
