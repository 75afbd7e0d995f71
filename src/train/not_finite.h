#pragma once

#include <optional>
#include <span>
#include <string>

#include "data/shards/batch.h"
#include "model/causal_lm.h"
#include "train/optimizer.h"

namespace ingot::train {

/// "rows 3, 17 and 9": the samples of the batches, the first 16 by number.
std::string name_samples(std::span<const data::Batch> batches);

/// The first layer whose output for this batch holds NaN or infinity; the forward pass is run again to see it, by all pipeline ranks together.
std::optional<std::string> first_bad_layer(model::CausalLm& model, const data::Batch& batch, parallel::Communicator& pipeline = parallel::only_rank());

/// Throws DataError for a loss that is NaN or infinite, naming step, samples and the first bad layer.
[[noreturn]] void stop_at_bad_loss(model::CausalLm& model, parallel::Communicator& pipeline, const data::Batch& batch, int64_t step, double loss);

/// Throws DataError for a gradient norm that is NaN or infinite, naming step, samples and the first bad layer, or the
/// first parameter with a bad gradient when every layer's output is finite.
[[noreturn]] void stop_at_bad_gradient(model::CausalLm& model, const Optimizer& optimizer, parallel::Communicator& pipeline,
                                       std::span<const data::Batch> batches, int64_t step);

}  // namespace ingot::train
