#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/adapter_config.h"
#include "checkpoint/hf_folder.h"

namespace ingot::checkpoint {

/// A LoRA adapter: "MODULE.lora_A.weight" and "MODULE.lora_B.weight" of the linear layers it adds to, of an embedding
/// "MODULE.lora_embedding_A" and "MODULE.lora_embedding_B", and the parameters of the modules that are saved whole, under
/// the names that they have in the base model. PEFT may write the base's own embedding and head too: hub/base_copies.h.
struct Adapter {
  AdapterConfig config;
  std::vector<NamedTensor> tensors;
};

/// The file with an adapter's tensors: adapter_model.safetensors, else adapter_model.bin. Throws DataError where neither is there.
std::filesystem::path adapter_weights(const std::filesystem::path& folder);

/// Reads adapter_config.json and adapter_model.safetensors as PEFT writes them, or adapter_model.bin as it wrote before
/// where that is not there; tensors become float32. Throws DataError
/// naming the file and the tensor for what is no plain LoRA adapter, and for an A without its B.
Adapter read_adapter(const std::filesystem::path& folder);

/// The module that a factor of this name is for, where it is an addition's A; nothing for other tensors.
std::optional<std::string> module_of_first_factor(const std::string& name);
/// True for both factors.
bool is_factor(const std::string& name);

/// Writes such a folder, float32, in one step; a folder of that name is replaced.
void write_adapter(const std::filesystem::path& folder, const Adapter& adapter);

}  // namespace ingot::checkpoint
