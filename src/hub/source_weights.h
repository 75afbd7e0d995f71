#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "checkpoint/hf_folder.h"
#include "core/dtype.h"
#include "hub/model_folder.h"
#include "model/decoder_config.h"

namespace ingot::hub {

/// Keeps in a run's layout folder how the weights of the model folder lie in their files, with the tensors that no
/// training changes (buffers such as inv_freq). Of files that are no safetensors the parameters' types alone.
void keep_weight_layout(const ModelFolder& folder, const std::filesystem::path& layout);

/// What the config.json in a run's own folder says. Throws DataError naming file and key when that is damaged.
model::DecoderConfig source_config(const std::filesystem::path& folder);

/// Puts the index of `from` into `folder`, in the place of one of the same tensors in the same files.
void restore_index(const std::filesystem::path& from, const std::filesystem::path& folder);

/// Writes the parameters of the model that `folder`'s config.json describes into it: in the files, dtypes and metadata that
/// `layout` keeps, or by transformers' rule in the config's dtype where it keeps none. With `dtype`, floats in that. An export of unchanged
/// weights without it has the bytes of the files that came in. The weights are reopened and compared. A parameter is made when its turn comes, to be
/// written and to be compared: one is in memory at a time.
void write_as_they_came(const std::filesystem::path& folder, const std::filesystem::path& layout,
                        std::vector<checkpoint::TensorMaker> parameters, std::optional<DType> dtype);

}  // namespace ingot::hub
