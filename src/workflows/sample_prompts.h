#pragma once

#include <string>

#include "model/causal_lm.h"
#include "workflows/train_config.h"

namespace ingot::workflows {

/// Continues every sample prompt and prints it; in stage sft the prompt is a user's message and what is printed its
/// answer. `when` is "before" or "after".
void print_samples(const TrainConfig& config, const model::CausalLm& model, const std::string& when);

}  // namespace ingot::workflows
