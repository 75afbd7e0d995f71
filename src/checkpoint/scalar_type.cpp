#include <ATen/ATen.h>

#include <array>
#include <utility>

#include "checkpoint/hf_folder.h"

namespace ingot::checkpoint {
namespace {

constexpr std::array<std::pair<DType, at::ScalarType>, 13> kPairs{{{DType::kBool, at::kBool},
                                                                   {DType::kU8, at::kByte},
                                                                   {DType::kI8, at::kChar},
                                                                   {DType::kI16, at::kShort},
                                                                   {DType::kU16, at::kUInt16},
                                                                   {DType::kF16, at::kHalf},
                                                                   {DType::kBF16, at::kBFloat16},
                                                                   {DType::kI32, at::kInt},
                                                                   {DType::kU32, at::kUInt32},
                                                                   {DType::kF32, at::kFloat},
                                                                   {DType::kI64, at::kLong},
                                                                   {DType::kU64, at::kUInt64},
                                                                   {DType::kF64, at::kDouble}}};

}  // namespace

at::ScalarType to_scalar_type(DType dtype) {
  for (const auto& [ours, theirs] : kPairs)
    if (ours == dtype) return theirs;
  TORCH_CHECK(false, "no scalar type for dtype ", static_cast<int>(dtype));
}

DType to_dtype(at::ScalarType type) {
  for (const auto& [ours, theirs] : kPairs)
    if (theirs == type) return ours;
  TORCH_CHECK(false, "tensors of type ", type, " are not kept in files");
}

}  // namespace ingot::checkpoint
