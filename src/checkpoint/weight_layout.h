#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/hf_folder.h"
#include "core/dtype.h"
#include "core/json.h"

namespace ingot::checkpoint {

/// How weights lie in the safetensors files of a Hugging Face folder, so that they can be written back as they came.
struct WeightLayout {
  struct File {
    std::string name;
    std::map<std::string, std::string> metadata;
    std::map<std::string, DType> tensors;  // by name
  };
  std::vector<File> files;

  /// Of open weights, files by name; nothing when they are no safetensors.
  static std::optional<WeightLayout> of(const HfWeights& weights);
  /// Of tensors from files of another format: in their types, split as write_hf_weights splits.
  static WeightLayout planned(const std::vector<TensorInfo>& tensors, uint64_t max_shard_bytes = kMaxShardBytes);
  /// Reads what to_json made. Throws DataError naming `source`.
  static WeightLayout from_json(const Json& json, const std::string& source);
  Json to_json() const;
  /// Names of all tensors, file by file.
  std::vector<std::string> tensor_names() const;
};

/// Copies tensors, bit for bit, into one safetensors file.
void copy_tensors(const HfWeights& weights, const std::vector<std::string>& names, const std::filesystem::path& file);

/// Writes every tensor of the layout into its file in the dtype that it came in, or floats in `dtype` when given; an
/// index where the layout has several files or one with a shard's name. `tensors` holds all that the layout names; the dtypes that they state do
/// not count.
void write_hf_weights(const std::filesystem::path& folder, const std::vector<TensorMaker>& tensors,
                      const WeightLayout& layout, std::optional<DType> dtype);

/// The dtype that a tensor is written in: `wanted` when given, but integers keep theirs.
DType written_dtype(DType stated, std::optional<DType> wanted);

}  // namespace ingot::checkpoint
