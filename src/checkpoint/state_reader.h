#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/weight_file.h"
#include "core/json.h"
#include "core/slice.h"

namespace ingot::checkpoint {

/// A state that state_writer.h wrote (manifest version 2), or a checkpoint of version 1. It is checked whole when it is
/// opened; a tensor passes through memory when it is read.
class StateReader {
 public:
  /// Of `files`, where it is given, alone, as the others lie on other disks. Throws DataError naming the file and the field, tensor or digest
  /// that is not as it should be; Error when asked to stop.
  explicit StateReader(const std::filesystem::path& folder, const std::optional<std::set<std::string>>& files = {});
  ~StateReader();
  StateReader(StateReader&&) noexcept;
  StateReader& operator=(StateReader&&) noexcept;
  const std::filesystem::path& folder() const;
  int64_t step() const;
  const Json& state() const;
  std::vector<TensorInfo> tensors() const;  // whole tensors, in the order in which they were announced
  bool contains(const std::string& name) const;
  /// A slice, however the tensor was cut when it was written; on the CPU, of the stored dtype. Throws DataError naming the
  /// manifest when the tensor is absent, the slice reaches beyond it or has a part in a file that was not opened.
  ///   returns  [slice.extent...]
  at::Tensor read(const std::string& name, const Slice& slice) const;
  /// The same of the whole tensor.
  at::Tensor read(const std::string& name) const;
  /// The whole tensor into another of its shape and dtype, on any device, without a copy between.
  void read_into(const std::string& name, at::Tensor into) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::checkpoint
