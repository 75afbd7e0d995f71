#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "checkpoint/hf_folder.h"
#include "checkpoint/weight_layout.h"

namespace ingot::checkpoint {

/// Tensors that are there as such that are made when they are written; floats in `dtype` when given.
inline std::vector<TensorMaker> makers_of(const std::vector<NamedTensor>& tensors, std::optional<DType> dtype = {}) {
  std::vector<TensorMaker> makers;
  for (const auto& [name, value] : tensors)
    makers.push_back({name, written_dtype(to_dtype(value.scalar_type()), dtype), value.sizes().vec(), [value = value] { return value; }});
  return makers;
}

}  // namespace ingot::checkpoint
