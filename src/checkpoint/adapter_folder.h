#pragma once

#include <filesystem>
#include <vector>

#include "checkpoint/adapter_config.h"
#include "checkpoint/hf_folder.h"

namespace ingot::checkpoint {

/// A LoRA adapter: "MODULE.lora_A.weight" and "MODULE.lora_B.weight" of the layers it adds to, and the parameters of
/// the modules that are saved whole, under the names that they have in the base model.
struct Adapter {
  AdapterConfig config;
  std::vector<NamedTensor> tensors;
};

/// Reads adapter_config.json and adapter_model.safetensors as PEFT writes them, or adapter_model.bin as it wrote before
/// where that is not there; tensors become float32. Throws DataError
/// naming the file and the tensor for what is no plain LoRA adapter, and for an A without its B.
Adapter read_adapter(const std::filesystem::path& folder);

/// Writes such a folder, float32, in one step; a folder of that name is replaced.
void write_adapter(const std::filesystem::path& folder, const Adapter& adapter);

}  // namespace ingot::checkpoint
