#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"

namespace ingot::checkpoint {

/// What a file says of one tensor.
struct TensorInfo {
  std::string name;
  DType dtype;
  Shape shape;  // checked: its product is below 2^63
};

/// Bytes of its elements.
uint64_t num_bytes(const TensorInfo& tensor);

/// A mapped file of named tensors. A tensor is read when it is asked for, so that a folder of any size passes through
/// the memory of one tensor.
class WeightFile {
 public:
  virtual ~WeightFile() = default;
  virtual const std::filesystem::path& path() const = 0;
  virtual std::vector<TensorInfo> tensors() const = 0;
  virtual bool contains(const std::string& name) const = 0;
  /// What a safetensors file says of itself; nothing for another format.
  virtual std::optional<std::map<std::string, std::string>> metadata() const = 0;
  /// A contiguous copy on the CPU. Throws DataError when absent.
  virtual at::Tensor load(const std::string& name) const = 0;
  /// The same of rows of a tensor seen as [rows, last dim].
  virtual at::Tensor load_rows(const std::string& name, int64_t first, int64_t count) const = 0;
};

}  // namespace ingot::checkpoint
