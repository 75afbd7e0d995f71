#pragma once

#include <ATen/core/Tensor.h>

#include "data/shards/batch.h"
#include "model/causal_lm.h"

namespace ingot::train {

/// Rows as the model takes them.
struct LabelledInput {
  model::ModelInput input;
  ops::Labels labels;  // [batch, seq]  int64, -100 where none counts
};

/// The batch on the model's device: of every row the tokens of this rank. `dropout_keys`: of whole rows, see ModelInput.
LabelledInput to_model_input(const data::Batch& batch, const model::CausalLm& model, const at::Tensor& dropout_keys = {});

}  // namespace ingot::train
