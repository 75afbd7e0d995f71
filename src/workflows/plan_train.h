#pragma once

#include "config/train_config.h"
#include "hub/compute.h"
#include "model/decoder_config.h"

namespace ingot::workflows {

/// What a training run holds, known before anything is loaded.
struct RunValues {
  int64_t parameters = 0, trained = 0;  // values of the model, an adapter's left out; those that are trained
};

/// Says what a rank of the run takes (docs/plan.md) and notes it for the message of a failed allocation. Where the ranks of this machine
/// need more memory than it, or the control group around them, has: throws ConfigError with the change that would make it fit, or with
/// `force` warns. Warns of what fits only when other processes end.
RunValues plan_train(const config::TrainConfig& config, const model::DecoderConfig& model, const hub::Compute& compute, bool force);

}  // namespace ingot::workflows
