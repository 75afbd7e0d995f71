#pragma once

#include <string>

#include "checkpoint/adapter_folder.h"
#include "hub/model_folder.h"
#include "model/causal_lm.h"

namespace ingot::hub {

/// Leaves out what PEFT writes beside the adapter itself: the base's own weight of an embedding or head, alone or under an
/// addition, and a second copy of a module that is saved whole. Throws DataError naming `source` for a weight of another
/// shape than the base's.
void drop_base_copies(checkpoint::Adapter& adapter, const model::CausalLm& model, const std::string& source);

/// Throws DataError naming `source` for a copy of other values than the base's, in every type that a model is trained in:
/// PEFT would put it in the base's place.
void check_base_copies(const checkpoint::Adapter& adapter, const ModelFolder& base, const model::CausalLm& model,
                       const std::string& source);

}  // namespace ingot::hub
