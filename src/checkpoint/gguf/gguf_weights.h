#pragma once

#include <filesystem>
#include <vector>

#include "checkpoint/gguf/gguf.h"
#include "checkpoint/gguf/gguf_model.h"
#include "core/dtype.h"

namespace ingot::checkpoint {

/// Decodes the planned tensors of a GGUF file into one safetensors file of `dtype` (F32, F16 or BF16), some MiB of rows
/// at a time on all cores. Throws DataError when the file's tensors are not exactly the planned ones.
void write_gguf_weights(const GgufFile& gguf, const std::vector<GgufTensorPlan>& plan,
                        const std::filesystem::path& file, DType dtype);

}  // namespace ingot::checkpoint
