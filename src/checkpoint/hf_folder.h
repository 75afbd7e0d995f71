#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/fused_experts.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weight_file.h"
#include "core/dtype.h"

namespace ingot::checkpoint {

/// What a stop interrupts while a model folder is written: it is put in place as a whole, or not at all.
inline constexpr const char* kWriting = "writing a model, whose folder stays as it was";

/// The weights of a Hugging Face folder: model.safetensors, or the shards that model.safetensors.index.json names;
/// where neither is there, pytorch_model.bin, or the shards that pytorch_model.bin.index.json names. Fused experts are seen
/// one by one: fused_experts.h.
class HfWeights {
 public:
  /// Throws DataError naming the file when one is missing, damaged, outside the folder, or at odds with the index.
  explicit HfWeights(const std::filesystem::path& folder);
  std::vector<TensorInfo> tensors() const;
  std::vector<TensorInfo> tensors_of(const WeightFile& file) const;
  bool contains(const std::string& name) const;
  /// What the header says of a tensor. Throws DataError when absent, as load does.
  const TensorInfo& info(const std::string& name) const;
  /// A copy as a tensor of the file's dtype and shape on the CPU. Throws DataError when absent.
  at::Tensor load(const std::string& name) const;
  uint64_t total_bytes() const;
  const std::vector<std::unique_ptr<WeightFile>>& files() const { return files_; }

 private:
  void open_one(const std::filesystem::path& file);
  void open_shards(const std::filesystem::path& folder, const std::filesystem::path& index);
  void place_tensors();
  std::vector<std::unique_ptr<WeightFile>> files_;
  std::vector<std::vector<StoredTensor>> places_;  // by file
  struct Found { size_t file, place; };
  const Found& found(const std::string& name) const;
  std::map<std::string, Found> found_;  // by name
};

/// Opens a safetensors file or, when its name ends in .bin, one of torch's. Throws DataError naming the file.
std::unique_ptr<WeightFile> open_weight_file(const std::filesystem::path& file);

/// A copy of one tensor of a file, on the CPU. Throws DataError when absent.
at::Tensor load_tensor(const SafetensorsFile& file, const std::string& name);

/// A tensor with its name in a Hugging Face folder.
struct NamedTensor {
  std::string name;
  at::Tensor value;
};

/// A tensor that is made when its turn to be written comes, so that a model of any size passes through the memory of one.
struct TensorMaker {
  std::string name;
  DType dtype;  // of the file
  Shape shape;
  std::function<at::Tensor()> make;  // any float dtype; converted
};

/// Bytes of a file of weights where the caller does not say, as in transformers 5.
inline constexpr uint64_t kMaxShardBytes = uint64_t{50} << 30;

/// Writes model.safetensors, or shards with model.safetensors.index.json when the weights pass `max_shard_bytes`, with
/// the names and metadata ({"format": "pt"}) that transformers writes. Values are made and converted one by one.
void write_hf_weights(const std::filesystem::path& folder, const std::vector<TensorMaker>& tensors,
                      uint64_t max_shard_bytes = kMaxShardBytes);

/// The value as it is written: on the CPU, contiguous, in `dtype`. Throws DataError naming the tensor and the value when a
/// finite number is beyond the dtype's largest.
at::Tensor converted(const at::Tensor& value, DType dtype, const std::string& name);

at::ScalarType to_scalar_type(DType dtype);
DType to_dtype(at::ScalarType type);

}  // namespace ingot::checkpoint
