#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"
#include "core/shape.h"

namespace ingot::checkpoint {

/// One tensor of a safetensors file.
struct TensorEntry {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t begin = 0, end = 0;  // bytes from the start of the data
};

/// A mapped safetensors file, checked whole when opened by the reference reader's rules (FORMATS §6). Throws DataError
/// naming the file, the tensor, the value found and wanted.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& file);
  const std::vector<TensorEntry>& tensors() const { return tensors_; }  // by offset
  const TensorEntry* find(const std::string& name) const;              // null when absent
  std::span<const std::byte> bytes(const TensorEntry& tensor) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  std::span<const std::byte> header() const { return file_->bytes().first(data_start_); }  // all before the data
  const MappedFile& file() const { return *file_; }

 private:
  std::shared_ptr<MappedFile> file_;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, size_t> by_name_;
  std::map<std::string, std::string> metadata_;
  uint64_t data_start_ = 0;
};

/// Takes the bytes of a tensor, piece by piece.
using ByteSink = std::function<void(std::string_view bytes)>;

/// A tensor to be written; its bytes are produced when its turn comes, so that a folder of any size passes through the
/// memory of one tensor.
struct TensorSource {
  std::string name;
  DType dtype;
  Shape shape;
  std::function<void(const ByteSink& sink)> produce;
};

/// Writes one file atomically in the reference writer's order (dtype of widest alignment first, then name) with its
/// header padding; the bytes equal those of the `safetensors` package for the same tensors and metadata.
/// Returns the sha256 of the file.
std::string write_safetensors(const std::filesystem::path& file, std::vector<TensorSource> tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace ingot::checkpoint
