#pragma once

#include <filesystem>

#include "core/dtype.h"

namespace ingot::checkpoint {

/// Turns a GGUF model of architecture llama or qwen2 into a Hugging Face folder: model.safetensors in `dtype` (F32,
/// BF16 or F16), config.json, generation_config.json, tokenizer.json (byte-level BPE) or tokenizer.model
/// (SentencePiece), tokenizer_config.json with the chat template, special_tokens_map.json. Everything appears at once
/// under `folder`, or nothing does. Throws DataError on a file it cannot read, ConfigError when `folder` exists and is
/// not empty.
void convert_gguf(const std::filesystem::path& gguf, const std::filesystem::path& folder, DType dtype);

}  // namespace ingot::checkpoint
