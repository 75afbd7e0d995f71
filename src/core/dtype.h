#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingot {

/// Element types that tensors in files have here. Source: safetensors/src/tensor.rs.
enum class DType { kBool, kU8, kI8, kI16, kU16, kF16, kBF16, kI32, kU32, kF32, kI64, kU64, kF64 };

/// Bytes of one element.
int64_t size_of(DType dtype);

/// The name in a safetensors header: "F32", "BF16" ...
std::string_view safetensors_name(DType dtype);
std::optional<DType> dtype_from_safetensors(std::string_view name);

/// The name in a Hugging Face config or an Ingot YAML: "float32", "bfloat16" ... ("fp32" and "bf16" read too).
std::string_view config_name(DType dtype);
std::optional<DType> dtype_from_config(std::string_view name);

}  // namespace ingot
