#pragma once

#include <cstdint>
#include <filesystem>

#include "checkpoint/adapter_folder.h"
#include "hub/model_folder.h"

namespace ingot::hub {

/// Compares the logits of `merged` on `num_tokens` random tokens with those of `base` and the adapter, logs the
/// difference, and throws DataError when it passes the bound of merge.h. The models compute one after the other, so that
/// one at a time is in memory.
void check_merge(const ModelFolder& base, const checkpoint::Adapter& adapter, const std::filesystem::path& merged,
                 int64_t num_tokens);

}  // namespace ingot::hub
