#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "hub/compute.h"
#include "hub/model_folder.h"
#include "model/causal_lm.h"

namespace ingot::hub {

/// Builds the model that the folder's config describes and fills it from the folder's weights, converted to the type of `compute` and
/// on its device. Throws DataError as check_weights does; tensors that the model has no place for are named in a warning, and so are
/// those that hold infinite values; NaN is refused.
/// Each rank of the mesh gets its part.
std::unique_ptr<model::CausalLm> load_model(const ModelFolder& folder, const Compute& compute,
                                            const parallel::Mesh& mesh = parallel::only_rank());

/// Throws DataError naming the first parameter that the folder's weights hold as integers or truth values: those are numbers of a
/// quantization, which mean nothing alone. Reads no values.
void check_types(const model::CausalLm& model, const ModelFolder& folder);

/// Throws DataError naming every parameter that is missing from the folder's weights, or that has another shape there, and as
/// check_types does. Reads headers alone; the model may be on meta.
void check_weights(const model::CausalLm& model, const ModelFolder& folder);

/// True for tensors of Hugging Face files that are computed here, not loaded: rope's frequencies and a tied head.
bool is_derived(const std::string& name, const model::DecoderConfig& config);

/// Warns when positions up to `length` are evaluated by a model whose own code would change its attention there (Qwen's
/// first version: dynamic NTK and logn beyond the trained length).
void warn_beyond_plain_length(const model::DecoderConfig& config, int64_t length);

}  // namespace ingot::hub
