#include "core/dtype.h"

#include <array>

namespace ingot {
namespace {

struct DTypeNames {
  DType dtype;
  int64_t size;
  std::string_view safetensors, config, alias;
};

constexpr std::array<DTypeNames, 13> kDTypeNames{{{DType::kBool, 1, "BOOL", "bool", ""},
                                                  {DType::kU8, 1, "U8", "uint8", ""},
                                                  {DType::kI8, 1, "I8", "int8", ""},
                                                  {DType::kI16, 2, "I16", "int16", ""},
                                                  {DType::kU16, 2, "U16", "uint16", ""},
                                                  {DType::kF16, 2, "F16", "float16", "fp16"},
                                                  {DType::kBF16, 2, "BF16", "bfloat16", "bf16"},
                                                  {DType::kI32, 4, "I32", "int32", ""},
                                                  {DType::kU32, 4, "U32", "uint32", ""},
                                                  {DType::kF32, 4, "F32", "float32", "fp32"},
                                                  {DType::kI64, 8, "I64", "int64", ""},
                                                  {DType::kU64, 8, "U64", "uint64", ""},
                                                  {DType::kF64, 8, "F64", "float64", "fp64"}}};

const DTypeNames& names_of(DType dtype) { return kDTypeNames.at(static_cast<size_t>(dtype)); }

}  // namespace

int64_t size_of(DType dtype) { return names_of(dtype).size; }
std::string_view safetensors_name(DType dtype) { return names_of(dtype).safetensors; }
std::string_view config_name(DType dtype) { return names_of(dtype).config; }

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  for (const auto& row : kDTypeNames)
    if (row.safetensors == name) return row.dtype;
  return std::nullopt;
}

std::optional<DType> dtype_from_config(std::string_view name) {
  for (const auto& row : kDTypeNames)
    if (row.config == name || (!name.empty() && row.alias == name)) return row.dtype;
  return std::nullopt;
}

}  // namespace ingot
